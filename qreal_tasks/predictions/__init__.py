"""Predictions that a model made anywhere, read from files and held against the dataset: a run folder like any other."""
