"""What each stage makes of a shard."""
