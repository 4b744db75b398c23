"""masked_softmax and log_softmax: reference, portable, op, shapes, samples."""
