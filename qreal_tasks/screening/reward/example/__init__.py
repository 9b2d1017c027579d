"""A generator that the reward makes better, with its true flaws known; ``__main__.py`` is the command."""
