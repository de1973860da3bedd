"""The memory: an append-only, checksummed, chained record of all that goes in and out.

``record`` is the format (pure), ``segment`` the files, ``writer`` the engine's only way to
write, ``reader`` everybody's way to read, ``cursor`` what the recorder says it has read.
"""
