"""Judges the candles in Postgres: recomputes each closed one from the topics with DuckDB and compares every column."""
