"""What a rule matches: task-name patterns, conditions on calls, and which regular expressions are safe."""
