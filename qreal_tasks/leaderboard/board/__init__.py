"""The board and its pages."""
