"""The rooms: one folder or file an op (see ``triton_kernels.registry``)."""
