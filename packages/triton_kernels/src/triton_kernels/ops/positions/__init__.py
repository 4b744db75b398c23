"""Positions and embedding: rope, embedding."""
