"""What routectl promises about speed, measured: `make bench`. It shows, and judges nobody."""
