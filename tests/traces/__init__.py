"""Traces of real workers: which task was ready when, and when it started. Used by tests, benchmarks and plots."""
