"""What every finding means: one module for each family of rules."""
