"""P of a model made honest with images that people labelled, and thresholds with a known precision or recall."""
