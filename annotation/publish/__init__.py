"""Publishes drafts and votes as a dataset: a folder in hub layout, and its way to the hub."""
