"""Foundations: elementwise, reductions, vectors, dropout, scan."""
