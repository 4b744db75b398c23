"""The affine map that every model uses."""

from torch import Tensor, nn

from torch_models import ops


class Linear(nn.Linear):
    """x @ weight.T + bias through `ops.linear`; weight (out, in), as in torch."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return ops.linear(x, self.weight, self.bias)
