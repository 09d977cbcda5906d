"""Where messages go: addresses of tasks, delayed tasks, and dead letters."""
