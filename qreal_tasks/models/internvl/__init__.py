"""Original InternVL checkpoints in the form of transformers."""
