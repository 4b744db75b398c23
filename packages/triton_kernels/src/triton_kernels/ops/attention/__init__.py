"""Attention: features, reference, portable, op, and the faces by which other code calls it."""
