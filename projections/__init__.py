"""Stage 3: facts become read models in PostgreSQL. The only writer of the read models; nothing here answers HTTP."""
