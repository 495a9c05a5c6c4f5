"""How fast and how large: `make bench` runs all of it; see `__main__` for the parts."""
