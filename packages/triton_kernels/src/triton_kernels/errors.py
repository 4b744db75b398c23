"""The errors a caller may see: what was given, what was expected, what to do."""


class KernelError(Exception):
    """Base of every error this package raises on purpose.

    Each one also derives from the builtin that fits, so that ``except ValueError`` works too.

    Attributes:
        op: the op that refused, e.g. ``"softmax"``.
        given: what the caller passed, in words.
        expected: what the op takes.
        advice: what to do next.
    """

    def __init__(self, op: str, given: str, expected: str, advice: str) -> None:
        super().__init__(op, given, expected, advice)
        self.op = op
        self.given = given
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.op}: got {self.given}; expected {self.expected}; {self.advice}"


class ShapeError(KernelError, ValueError):
    """Ranks, sizes or a dimension do not fit."""


class DtypeError(KernelError, TypeError):
    """An argument has a type or dtype the op does not take."""


class DeviceError(KernelError, ValueError):
    """Tensors lie on devices that do not fit together."""


class BackendError(KernelError, RuntimeError):
    """A backend was asked for that does not exist or cannot take these inputs."""
