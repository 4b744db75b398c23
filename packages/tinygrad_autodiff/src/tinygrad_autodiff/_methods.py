"""The methods that op classes declare: filled by the registry, described by `_methods.pyi`."""


class Methods:
    """Base of `Tensor`; every registered op that is a method is set on it."""

    __slots__ = ()
