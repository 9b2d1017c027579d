"""How good a crop looks, as a number from 0 to 1."""
