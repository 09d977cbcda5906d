"""Policies: which keys they may set, which queues and exchanges they apply to, and what they leave a queue with."""
