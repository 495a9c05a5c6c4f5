"""Synthetic people whose tastes are known, and planted worlds."""
