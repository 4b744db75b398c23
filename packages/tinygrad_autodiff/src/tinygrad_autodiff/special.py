"""Special functions, as in `torch.special`.

Filled from the registry; the stub beside this file lists what is in it.
"""
