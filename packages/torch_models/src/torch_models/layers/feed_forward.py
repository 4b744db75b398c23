"""The position-wise network of a transformer block."""

from torch import Tensor, nn
from torch.nn import functional

from torch_models.layers.linear import Linear


class FeedForward(nn.Module):
    """project(gelu(expand(x))), with the tanh form of GELU that GPT-2 uses.

    Args:
        hidden_size: Size of the residual stream.
        intermediate_size: Size between the two maps.
        dropout: Probability of dropping an output value in training.
        bias: Whether the maps have biases.
    """

    def __init__(
        self, hidden_size: int, intermediate_size: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.expand = Linear(hidden_size, intermediate_size, bias=bias)
        self.project = Linear(intermediate_size, hidden_size, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., hidden_size) to (..., hidden_size)."""
        hidden = functional.gelu(self.expand(x), approximate="tanh")
        result: Tensor = self.dropout(self.project(hidden))
        return result
