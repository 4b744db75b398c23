"""linear_cross_entropy: reference, portable, op, shapes, samples."""
