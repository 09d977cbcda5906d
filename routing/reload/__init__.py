"""Reloads a changed file while a process runs."""
