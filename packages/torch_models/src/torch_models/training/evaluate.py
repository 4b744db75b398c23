"""How well a language model predicts text, in a unit that does not depend on the tokenizer."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from torch_models.errors import ConfigError, DataError

_IGNORED = -100


class _Encoder(Protocol):
    def encode(self, text: str) -> list[int]: ...


def bits_per_byte(
    model: nn.Module,
    tokenizer: _Encoder,
    documents: Iterable[str],
    *,
    start_token: int,
    context_length: int,
    stride: int | None = None,
    batch_size: int = 32,
) -> float:
    """Mean information of a UTF-8 byte of the documents under a model.

    sum over tokens of -ln p(token | tokens before it in its window) / (ln 2 * number of bytes)

    Every token of every document is predicted exactly once, the first one from `start_token`
    alone. A document is read in windows of `context_length` tokens that advance by `stride`, so a
    token is predicted from at least context_length - stride tokens before it where the document has
    them. The sum is the length in bits of a code for the documents by this tokenizer's encoding; a
    text has other encodings too, whose probability is not counted, so the figure is an upper bound.

    Args:
        model: Called with tokens (batch, sequence); its result has `.logits`.
        tokenizer: Turns a document into ids.
        documents: Texts to predict.
        start_token: Id that stands before every document.
        context_length: Tokens the model reads at once.
        stride: 1 to context_length; half of context_length if None. The smaller, the slower and the
            lower.
        batch_size: Windows computed at once.

    Raises:
        ConfigError: If context_length, stride or batch_size is out of range.
        DataError: If the documents hold no byte.
    """
    stride = max(1, context_length // 2) if stride is None else stride
    if not 1 <= stride <= context_length or batch_size < 1:
        raise ConfigError(
            f"stride must be in 1..context_length and batch_size positive, "
            f"got {stride}, context_length {context_length}, batch_size {batch_size}"
        )
    device = next(model.parameters()).device
    nats, byte_count = 0.0, 0
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for document in documents:
                byte_count += len(document.encode("utf-8", "surrogatepass"))
                tokens = torch.tensor([start_token, *tokenizer.encode(document)])
                for inputs, targets in _batches(tokens, context_length, stride, batch_size):
                    logits = model(inputs.to(device)).logits.float().flatten(0, 1)
                    nats += functional.cross_entropy(
                        logits, targets.to(device).flatten(), reduction="sum", ignore_index=_IGNORED
                    ).item()
    finally:
        model.train(training)
    if not byte_count:
        raise DataError("bits per byte need at least one byte of text, got none")
    return nats / math.log(2) / byte_count


def windows(length: int, context_length: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Windows (begin, size, scored before) that predict positions 1 to length - 1 once each."""
    size = min(context_length, length - 1)
    done = 0  # targets scored so far
    while done < length - 1:
        end = min(done + (stride if done else size), length - 1)
        yield end - size, size, done - (end - size)
        done = end


def _batches(
    tokens: Tensor, context_length: int, stride: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    rows: Sequence[tuple[int, int, int]] = list(windows(len(tokens), context_length, stride))
    for first in range(0, len(rows), batch_size):
        inputs, targets = [], []
        for begin, size, scored in rows[first : first + batch_size]:
            inputs.append(tokens[begin : begin + size])
            target = tokens[begin + 1 : begin + size + 1].clone()
            target[:scored] = _IGNORED
            targets.append(target)
        yield torch.stack(inputs), torch.stack(targets)
