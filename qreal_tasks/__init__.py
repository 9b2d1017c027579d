"""Q-Real Bench: realism and plausibility of every entity in a generated image."""

__version__ = "0.1.0"
