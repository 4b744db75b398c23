"""Sampling text from a model, token by token, each token computed once."""

import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from torch_models import ops
from torch_models.checks import check_number
from torch_models.errors import CacheFullError, ConfigError, ShapeError
from torch_models.layers.cache import KVCache


class Generative(Protocol):
    """What a model needs to be generated from."""

    training: bool

    def __call__(self, tokens: Tensor, *, cache: KVCache | None = None) -> Any:
        """Tokens (batch, sequence) to something with `.logits` (batch, sequence, vocab_size)."""
        ...

    def new_cache(self, batch: int, capacity: int | None, starts: Tensor | None) -> KVCache:
        """An empty cache on the model's device."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn from the logits; filters apply in the order given here.

    Args:
        temperature: Divides the logits; 0 takes the most likely token.
        top_k: Keep the k most likely tokens (Fan et al. 2018); None for all.
        top_p: Keep the fewest most likely tokens whose probabilities reach p (Holtzman et al.
            2020); None for all.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, float, ge=0)
        if self.top_k is not None:
            check_number("top_k", self.top_k, int, ge=1)
        if self.top_p is not None:
            check_number("top_p", self.top_p, float, gt=0, le=1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """The distribution that is drawn from, float32 (batch, vocab_size), of logits alike."""
        logits = logits.float()
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k).values[:, -1:]
            logits = logits.masked_fill(logits < least, float("-inf"))
        probabilities = ops.softmax(logits)
        if self.top_p is None:
            return probabilities
        ordered, places = probabilities.sort(dim=-1, descending=True)
        before = ordered.cumsum(-1) - ordered  # mass of the tokens more likely than this one
        kept = ordered.masked_fill(before >= self.top_p, 0.0)
        kept = kept / kept.sum(-1, keepdim=True)
        return torch.zeros_like(kept).scatter(-1, places, kept)

    def draw(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One token for each row of logits (batch, vocab_size): int64 (batch,)."""
        if self.temperature == 0:
            return logits.argmax(-1)
        return torch.multinomial(self.probabilities(logits), 1, generator=generator)[:, 0]


def generate(
    model: Generative,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling = Sampling(),
    *,
    stop_tokens: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Continue prompts.

    Args:
        model: The model; it is run in evaluation mode and without gradients.
        prompts: Token ids; lengths may differ, none is empty.
        max_new_tokens: Most tokens added to each prompt.
        sampling: How tokens are drawn.
        stop_tokens: A prompt that has drawn one of these is finished; it is not returned.
        generator: Seeded source of randomness on the model's device; None for torch's default.

    Returns:
        The new tokens of each prompt.

    Raises:
        ShapeError: If there is no prompt, one is empty or longer than the model's context_length,
            or an id is no integer or outside the vocabulary.
        ConfigError: If max_new_tokens is negative or no integer, or model is no module.
        CacheFullError: If the longest prompt and the new tokens, the last of which is not read,
            exceed the model's context_length; before anything is computed.
    """
    steps = stream(
        model, prompts, max_new_tokens, sampling, stop_tokens=stop_tokens, generator=generator
    )
    result: list[list[int]] = [[] for _ in prompts]
    for tokens in steps:
        for row, token in zip(result, tokens, strict=True):
            if token is not None:
                row.append(token)
    return result


def stream(
    model: Generative,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling = Sampling(),
    *,
    stop_tokens: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> Iterator[list[int | None]]:
    """As `generate`, one token of each prompt at a time; None for a prompt that is finished."""
    check_number("max_new_tokens", max_new_tokens, int, ge=0)
    if not isinstance(model, torch.nn.Module):
        raise ConfigError(f"generation needs a model such as GPT, got {type(model).__name__}")
    device = next(model.parameters()).device
    tokens, starts = _padded(prompts)
    tokens, starts = tokens.to(device), None if starts is None else starts.to(device)
    cache = _cache_for(model, tokens, starts, max_new_tokens)
    return _steps(model, tokens, cache, max_new_tokens, sampling, frozenset(stop_tokens), generator)


def _padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor | None]:
    """Prompts as one tensor, padded on the left, and where each begins."""
    try:
        prompts = [[operator.index(token) for token in prompt] for prompt in prompts]
    except TypeError:
        raise ShapeError(
            f"prompts must be lists of token ids, such as [[1, 2], [3]], got {prompts!r:.60}; "
            "encode text with a tokenizer, and put a single prompt in a list"
        ) from None
    lengths = [len(prompt) for prompt in prompts]
    if min(lengths, default=0) < 1:
        raise ShapeError("generation needs at least one prompt, and a token in each")
    longest = max(lengths)
    rows = [[*[prompt[0]] * (longest - len(prompt)), *prompt] for prompt in prompts]
    starts = torch.tensor([longest - length for length in lengths])
    return torch.tensor(rows), starts if starts.any() else None


def _cache_for(model: Generative, tokens: Tensor, starts: Tensor | None, count: int) -> KVCache:
    """A cache with room for the prompts and what will be read of the new tokens."""
    longest = tokens.shape[1]
    needed = longest + max(count - 1, 0)  # the last token drawn is not read again
    cache = model.new_cache(len(tokens), needed, starts)
    room = cache.layers[0].keys.shape[2]
    if longest <= room < needed:  # a prompt that is too long by itself is the model's to refuse
        raise CacheFullError(
            f"a prompt of {longest} tokens and max_new_tokens {count} exceed the model's context "
            f"of {room}; ask for at most {room - longest + 1} or shorten the prompt"
        )
    return cache


def _steps(
    model: Generative,
    tokens: Tensor,
    cache: KVCache,
    count: int,
    sampling: Sampling,
    stop: frozenset[int],
    generator: torch.Generator | None,
) -> Iterator[list[int | None]]:
    assert isinstance(model, torch.nn.Module)
    done = [False] * len(tokens)
    training = model.training
    model.eval()
    try:
        for _ in range(count):
            with torch.inference_mode():
                logits = model(tokens, cache=cache).logits[:, -1]
                drawn = sampling.draw(logits, generator)
            ids = drawn.tolist()
            done = [old or token in stop for old, token in zip(done, ids, strict=True)]
            yield [None if over else token for over, token in zip(done, ids, strict=True)]
            if all(done):
                return
            tokens = drawn[:, None]
    finally:
        model.train(training)
