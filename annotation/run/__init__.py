"""A run's folder, its shards and what they hold."""
