"""Benchmarks: each row measures tocsin next to the bare loop that does the same with nothing of tocsin in it."""
