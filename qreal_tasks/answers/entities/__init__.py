"""Entities with boxes from a model's text."""
