"""Errors of OpenAI-compatible servers: what they say, which kind they are, and what to do next."""
