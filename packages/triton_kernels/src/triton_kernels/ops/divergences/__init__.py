"""kl_divergence and js_divergence: reference, portable, op, shapes, samples."""
