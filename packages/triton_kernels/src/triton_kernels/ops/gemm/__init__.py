"""matmul: reference, portable, tma, op, shapes, samples."""
