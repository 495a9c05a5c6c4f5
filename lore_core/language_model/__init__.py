"""A real small language model: its weights, its chat, and its hidden states."""
