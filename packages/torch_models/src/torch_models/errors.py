"""The errors this package raises: each says what was given, what was expected and what to do."""


class TorchModelsError(Exception):
    """Base of every error raised on purpose by torch_models."""


class ConfigError(TorchModelsError, ValueError):
    """A configuration holds a value, or a combination of values, that no model can have."""


class ShapeError(TorchModelsError, ValueError):
    """A tensor's shape, dtype or values do not fit the model."""


class OpError(TorchModelsError, LookupError):
    """An op or an implementation was named that the registry does not hold."""


class KernelsUnavailableError(TorchModelsError, ImportError):
    """An implementation was chosen whose package is not installed here."""


class CacheError(TorchModelsError, RuntimeError):
    """A key/value cache is used in a way it does not support."""


class CacheFullError(CacheError):
    """More tokens were appended to a cache than it was made for."""


class WeightsError(TorchModelsError, ValueError):
    """A weight file is missing, broken or does not fit the model; `names` are the tensors."""

    def __init__(self, message: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


class TokenizerError(TorchModelsError, ValueError):
    """A tokenizer file is broken or unsupported, or an id or text cannot be converted."""


class DataError(TorchModelsError, ValueError):
    """Training or evaluation data are empty, too short or of the wrong type."""


class CheckpointError(TorchModelsError, RuntimeError):
    """A training checkpoint is missing, broken or belongs to another run."""
