"""Haiku: a benchmark, which is data; there is no code."""
