"""A nudge in representation space: what knowing a user does to a language model's states."""
