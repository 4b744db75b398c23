"""The operations, one class each, by family: a module that is put here is found.

Importing this package fills the registry.
"""

import importlib
import pkgutil

from .. import api

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

api.fill_methods()
