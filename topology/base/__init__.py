"""What everything else in `topology` is made of: findings, secrets, scalars, and a broker's objects as plain data."""
