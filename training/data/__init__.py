"""Examples for training: conversations, tokens, packing."""
