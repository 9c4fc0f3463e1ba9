"""All SQL of the query API, one module per noun."""
