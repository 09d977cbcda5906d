"""Takes over a changed file while a producer runs."""
