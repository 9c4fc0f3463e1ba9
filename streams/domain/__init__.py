"""Decisions as functions of values: no I/O, no clock, no broker, no database."""
