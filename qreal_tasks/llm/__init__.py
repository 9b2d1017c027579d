"""Asking OpenAI-compatible servers: client, errors, retries, request options, completions, usage, cache, batches."""
