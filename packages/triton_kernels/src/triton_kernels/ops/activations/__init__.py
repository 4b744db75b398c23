"""Activations: relu, gelu, silu; gated: swiglu, geglu; with a bias: bias_activation."""
