"""What stops work on shards, as a message and not as a traceback."""

from __future__ import annotations


class ShardError(ValueError):
    """A shard cannot be read or computed; the message says which, what was found and what to do."""
