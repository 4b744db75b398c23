"""Linear algebra, as in `torch.linalg`.

Filled from the registry; the stub beside this file lists what is in it.
"""
