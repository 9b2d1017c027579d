"""A page to look at a run."""
