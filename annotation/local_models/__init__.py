"""Boxes for names, by Grounding DINO and its kin."""
