"""Torch's own table of operations (`op_db`) run on a torch-shaped library, and the scoreboard."""

import importlib
import os
import warnings

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read once, when NumPy and torch are imported; we fork
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of tools that it could use
    importlib.import_module("torch.testing._internal.common_methods_invocations")
