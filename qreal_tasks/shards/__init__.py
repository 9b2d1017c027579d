"""Work over many items in shards: files whole or absent, made by this process, several, or Ray."""
