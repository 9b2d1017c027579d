"""Submissions: pack, read and check."""
