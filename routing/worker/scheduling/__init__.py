"""Workers that start tasks in the order of their profile: strict or weighted."""
