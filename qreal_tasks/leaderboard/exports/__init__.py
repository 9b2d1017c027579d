"""A result for other platforms."""
