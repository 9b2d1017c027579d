"""Submissions that anyone can recompute, the board made of them, and exports to other boards."""
