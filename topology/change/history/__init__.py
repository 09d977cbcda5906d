"""The last applies of a stack, kept on the broker: who changed what, and which state the file declared."""
