"""The PyTorch track: one file a day, exercises with their solutions, hints and tests."""
