"""The command line: one small module per command. All work is done by `topology` and `routing`."""

__version__ = "0.1.0"
