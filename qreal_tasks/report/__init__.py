"""Results from logged samples alone: no model, no judge, no images."""
