"""Public import path of `topology.file.load`."""

from .file.load import Loaded, load

__all__ = ["Loaded", "load"]
