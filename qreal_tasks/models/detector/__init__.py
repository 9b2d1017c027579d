"""Finds boxes for names: Grounding DINO and its relatives."""
