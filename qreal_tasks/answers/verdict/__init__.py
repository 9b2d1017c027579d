"""Yes or No from a model's text."""
