"""Votes of several people made into one record, and how far they agree."""
