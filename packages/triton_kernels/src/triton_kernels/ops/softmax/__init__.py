"""softmax: reference, portable, op, shapes, samples."""
