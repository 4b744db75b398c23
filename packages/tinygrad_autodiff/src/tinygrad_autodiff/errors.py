"""What can go wrong, in torch's exception classes.

Every error of the package is an `AutodiffError` and also the built-in class that torch raises
in the same place, so that code written for torch catches what it used to catch.
"""

from __future__ import annotations


class AutodiffError(Exception):
    """Base of every error that the package raises itself."""


class ShapeError(AutodiffError, RuntimeError):
    """Shapes that do not fit the operation; the message names the op and all shapes."""


class DtypeError(AutodiffError, RuntimeError):
    """A dtype that the operation does not take."""


class UnsupportedDtypeError(DtypeError, NotImplementedError):
    """A dtype for which the operation is not defined, where torch has no kernel for it."""


class RangeError(AutodiffError, RuntimeError):
    """A value or option that the operation does not take, where torch raises a RuntimeError."""


class GraphError(AutodiffError, RuntimeError):
    """A backward pass that cannot run: no graph, freed graph, overwritten value, bad seed."""


class StateDictError(AutodiffError, RuntimeError):
    """A state dict whose keys or shapes do not fit the module or optimizer."""


class GradcheckError(AutodiffError, RuntimeError):
    """An analytical derivative that disagrees with the numerical one."""


class DimError(AutodiffError, IndexError):
    """A dimension or an index out of range."""


class ArgumentError(AutodiffError, ValueError):
    """An argument whose value is outside what the function accepts."""


class ArgumentTypeError(AutodiffError, TypeError):
    """An argument of a type that the function does not accept."""


class MissingForwardError(AutodiffError, NotImplementedError):
    """A module that was called and does not say what it computes."""


class AnomalyError(AutodiffError, RuntimeError):
    """A NaN or an infinity that anomaly mode has found, with the op that made it."""


class LinAlgError(AutodiffError, RuntimeError):
    """A matrix that is singular, not positive definite, or whose decomposition fails."""
