"""The command ``qreal eval``."""
