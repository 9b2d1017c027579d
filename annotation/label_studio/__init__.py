"""Verification: three people answer the six questions anew, on Label Studio, and correct what the machine drafted."""
