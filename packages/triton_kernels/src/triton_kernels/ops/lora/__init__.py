"""lora_linear: reference, portable, hopper, passes (the steps both share), op, samples."""
