"""The contracts: what travels between the stages. Pure values; no stage, database or broker is imported here."""
