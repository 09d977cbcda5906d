"""The command line: one small file a command. Everything it does is a call into `topology` or `routing`."""

__version__ = "0.1.0"
