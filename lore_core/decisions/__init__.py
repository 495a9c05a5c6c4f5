"""What to do with a reward."""
