"""One training run: from a plan to a folder with a tuned model."""
