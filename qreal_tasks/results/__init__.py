"""Results from logged samples alone: run folders, scores, comparison, new judgements."""
