"""Norms: rms_norm, layer_norm, both fused with an addition before, and group_norm."""
