"""A trading daemon for Linux: one engine, four drivers, a journal, a handle."""

__version__ = "0.1.0"
