"""The memory: the append-only file of what came in, what was decided and what went out."""
