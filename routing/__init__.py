"""Which queue a task goes to, and which worker takes it from there. May import `topology`, never `cli`."""
