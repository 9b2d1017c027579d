"""``qreal eval``."""
