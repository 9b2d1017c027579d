"""Is the next generator better: screened images of two or more generators, compared."""
