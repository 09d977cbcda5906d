"""Basic types of `topology`: findings, secrets, scalars, and broker resources."""
