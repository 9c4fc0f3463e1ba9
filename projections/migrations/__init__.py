"""Alembic's script location; run through ``tocsin.projections.migrate``."""
