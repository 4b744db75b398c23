"""GPT-2, the decoder-only transformer of Radford et al. (2019).

Read from top to bottom: the configuration, the block, the model. Layers normalise before they
map, embeddings and output share one matrix, and the projections that write to the residual stream
start smaller by the square root of their number.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from torch_models import ops
from torch_models.checks import check_number
from torch_models.errors import ConfigError, ShapeError
from torch_models.layers import (
    CausalSelfAttention,
    FeedForward,
    KVCache,
    LayerCache,
    LayerNorm,
    LearnedPositions,
)

_PRESETS: dict[str, dict[str, int]] = {
    "gpt2": {"num_layers": 12, "num_heads": 12, "hidden_size": 768},  # 124M parameters
    "gpt2-medium": {"num_layers": 24, "num_heads": 16, "hidden_size": 1024},  # 355M
    "gpt2-large": {"num_layers": 36, "num_heads": 20, "hidden_size": 1280},  # 774M
    "gpt2-xl": {"num_layers": 48, "num_heads": 25, "hidden_size": 1600},  # 1558M
}


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a GPT.

    Args:
        vocab_size: Number of token ids.
        context_length: Longest sequence, in tokens.
        num_layers: Blocks.
        num_heads: Attention heads; they divide hidden_size.
        hidden_size: Size of the residual stream.
        intermediate_size: Size inside the feed-forward layers; None for 4 * hidden_size.
        dropout: Probability of dropping a value in training.
        norm_eps: Added to the variance before its root.

    Raises:
        ConfigError: If a value is of the wrong type or out of range, or num_heads does not divide
            hidden_size.
    """

    vocab_size: int = 50257
    context_length: int = 1024
    num_layers: int = 12
    num_heads: int = 12
    hidden_size: int = 768
    intermediate_size: int | None = None
    dropout: float = 0.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "context_length", "num_layers", "num_heads", "hidden_size")
        for name in sizes:
            check_number(name, getattr(self, name), int, ge=1)
        if self.intermediate_size is not None:
            check_number("intermediate_size", self.intermediate_size, int, ge=1)
        check_number("dropout", self.dropout, float, ge=0, lt=1)
        check_number("norm_eps", self.norm_eps, float, gt=0)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"num_heads must divide hidden_size, got {self.num_heads} and {self.hidden_size}"
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """One of the published sizes: gpt2 (124M), gpt2-medium, gpt2-large, gpt2-xl.

        Raises:
            ConfigError: If there is no such preset.
        """
        if name not in _PRESETS:
            raise ConfigError(f"unknown preset {name!r}; presets are {', '.join(_PRESETS)}")
        return cls(**{**_PRESETS[name], **changes})

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)


class GPTOutput(NamedTuple):
    """What a forward pass returns.

    Attributes:
        logits: (batch, sequence, vocab_size).
        loss: Mean cross-entropy in nats a token, if targets were given.
    """

    logits: Tensor
    loss: Tensor | None


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.hidden_size, config.norm_eps)
        self.attention = CausalSelfAttention(
            config.hidden_size, config.num_heads, dropout=config.dropout
        )
        self.feed_forward_norm = LayerNorm(config.hidden_size, config.norm_eps)
        inner = config.intermediate_size or 4 * config.hidden_size
        self.feed_forward = FeedForward(config.hidden_size, inner, config.dropout)

    def forward(
        self, x: Tensor, positions: Tensor, cache: LayerCache | None, mask: Tensor | None
    ) -> Tensor:
        """Map the residual stream (batch, sequence, hidden_size) to the next one."""
        x = x + self.attention(self.attention_norm(x), positions, cache, mask)
        result: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return result


class GPT(nn.Module):
    """The model; initial values are drawn from torch's default generator.

    Raises:
        ConfigError: If config is no GPTConfig.
    """

    def __init__(self, config: GPTConfig) -> None:
        if not isinstance(config, GPTConfig):
            raise ConfigError(
                f"GPT takes a GPTConfig, got {type(config).__name__}; "
                'make one: GPTConfig(num_layers=2, …) or GPTConfig.preset("gpt2")'
            )
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = LearnedPositions(config.context_length, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = LayerNorm(config.hidden_size, config.norm_eps)
        self._initialise()

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, cache: KVCache | None = None
    ) -> GPTOutput:
        """Predict each next token.

        Args:
            tokens: Integer ids (batch, sequence).
            targets: int64 ids (batch, sequence) to predict; -100 is left out of the loss.
            cache: Holds the tokens before these; they are added to it.

        Raises:
            ShapeError: If types, shapes, dtypes or ids do not fit the model.
            CacheFullError: If the cache has no room for the tokens.
        """
        self._check(tokens, targets, cache)
        sequence = tokens.shape[1]
        mask = None if cache is None else cache.mask(sequence)
        positions = (
            torch.arange(sequence, device=tokens.device)[None]
            if cache is None
            else cache.positions(sequence)
        )
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))
        for index, block in enumerate(self.blocks):
            x = block(x, positions, None if cache is None else cache.layers[index], mask)
        logits = ops.linear(self.norm(x), self.token_embedding.weight)
        loss = None
        if targets is not None:
            loss = ops.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return GPTOutput(logits, loss)

    def new_cache(
        self, batch: int, capacity: int | None = None, starts: Tensor | None = None
    ) -> KVCache:
        """An empty cache in the model's dtype and device; `capacity` defaults to context_length."""
        c = self.config
        capacity = c.context_length if capacity is None else min(capacity, c.context_length)
        weight = self.token_embedding.weight
        sizes = (batch, c.num_heads, capacity, c.hidden_size // c.num_heads)
        layers = [LayerCache(*sizes, weight.dtype, weight.device) for _ in range(c.num_layers)]
        return KVCache(layers, starts)

    def parameter_count(self, embeddings: bool = True) -> int:
        """Number of parameters; without embeddings, those that multiply every token."""
        total = sum(p.numel() for p in self.parameters())
        tables = (self.token_embedding, self.position_embedding)
        return total if embeddings else total - sum(t.weight.numel() for t in tables)

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("project.weight"):  # writes to the residual stream, 2 in each block
                nn.init.normal_(parameter, std=0.02 / (2 * self.config.num_layers) ** 0.5)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def _check(self, tokens: Tensor, targets: Tensor | None, cache: KVCache | None) -> None:
        for name, value in (
            ("tokens", tokens),
            ("targets", tokens if targets is None else targets),
        ):
            if not isinstance(value, Tensor):
                raise ShapeError(
                    f"{name} must be a tensor of integers (batch, sequence), "
                    f"got {type(value).__name__}; wrap it: torch.tensor({name})"
                )
        if tokens.dim() != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool:
            raise ShapeError(
                f"tokens must be integers of shape (batch, sequence), "
                f"got {tokens.dtype} of {tuple(tokens.shape)}"
            )
        if targets is not None and targets.shape != tokens.shape:
            raise ShapeError(
                f"targets must have the shape of tokens {tuple(tokens.shape)}, "
                f"got {tuple(targets.shape)}"
            )
        if cache is not None and (len(cache.layers), cache.batch) != (
            self.config.num_layers,
            tokens.shape[0],
        ):
            raise ShapeError(
                f"cache is for {len(cache.layers)} layers and batch {cache.batch}, the model has "
                f"{self.config.num_layers} and the tokens {tokens.shape[0]}; use model.new_cache"
            )
        if not 1 <= tokens.shape[1] <= self.config.context_length:
            raise ShapeError(
                f"the model reads 1 to {self.config.context_length} tokens (its context_length), "
                f"got {tokens.shape[1]}"
            )
        if cache is not None:
            cache.layers[0].check_room(tokens.shape[1])
        # On a GPU this check would wait for the device; there an id out of range is torch's error.
        if tokens.device.type == "cpu" and not torch.compiler.is_compiling():
            low, high = int(tokens.min()), int(tokens.max())
            if low < 0 or high >= self.config.vocab_size:
                raise ShapeError(
                    f"token ids must be in 0..{self.config.vocab_size - 1}, got {low}..{high}"
                )
