"""PerFit: what a person moves in a language model's hidden states (ICLR 2026)."""
