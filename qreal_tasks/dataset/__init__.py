"""The dataset: its schema, where it is, and its check."""
