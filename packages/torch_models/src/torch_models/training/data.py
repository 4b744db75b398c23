"""Batches of token windows, each a pure function of its number, so that a run can resume."""

from collections.abc import Iterable

import torch
from torch import Tensor

from torch_models.errors import ConfigError, DataError


class TokenWindows:
    """Windows of one long token sequence, every epoch shuffled and cut at another offset.

    Args:
        tokens: Token ids in order; documents are joined by whoever makes them.
        context_length: Tokens the model reads in one window.
        batch_size: Windows in a batch.
        seed: Of shuffles and offsets.

    Raises:
        ConfigError: If context_length or batch_size is not positive.
        DataError: If the tokens are not a flat sequence of ids, or too few for one batch.
    """

    def __init__(
        self, tokens: Tensor | Iterable[int], context_length: int, batch_size: int, seed: int = 0
    ) -> None:
        if context_length < 1 or batch_size < 1:
            raise ConfigError(
                "context_length and batch_size must be positive, "
                f"got {context_length} and {batch_size}"
            )
        data = tokens if isinstance(tokens, Tensor) else torch.tensor(list(tokens))
        if data.dim() != 1 or data.is_floating_point():
            raise DataError(
                f"tokens must be one row of integer ids, got {data.dtype} of {tuple(data.shape)}"
            )
        self.tokens = data.long()
        self.context_length, self.batch_size, self.seed = context_length, batch_size, seed
        # One less than fit: the offset takes up to a window.
        self.windows = len(data) // context_length - 1
        self.batches_per_epoch = self.windows // batch_size
        if self.batches_per_epoch < 1:
            raise DataError(
                f"{len(data)} tokens are too few for a batch of {batch_size} windows of "
                f"{context_length}; it takes {(batch_size + 1) * context_length}"
            )

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets number `index`, int64 (batch_size, context_length) each."""
        epoch, place = divmod(index, self.batches_per_epoch)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        offset = int(torch.randint(self.context_length, (), generator=generator))
        order = torch.randperm(self.windows, generator=generator)
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        starts = offset + chosen * self.context_length
        windows = self.tokens[starts[:, None] + torch.arange(self.context_length + 1)]
        return windows[:, :-1], windows[:, 1:]
