"""LLM-Score: a language model says how well a predicted description of a flaw means what the reference says."""
