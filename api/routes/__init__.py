"""The routes of the query API, one module per noun: parse, ask, answer."""
