"""Judging new images: which are flawed, where and why; is the next generator better; a reward to train it with."""
