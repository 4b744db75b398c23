"""Weights of 4 and 8 bits: nf4, int8."""
