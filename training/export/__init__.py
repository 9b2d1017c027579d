"""A finished run as a model for others: weights or adapter, processor and card."""
