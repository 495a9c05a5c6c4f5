"""PROPER: from the crowd through groups to the person (arXiv 2503.01303)."""
