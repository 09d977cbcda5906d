"""Benchmarks of routectl's performance targets: `make bench`. They report, and never fail."""
