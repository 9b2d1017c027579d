"""How free of flaws a model finds an image, as a number and a map to train generators with."""
