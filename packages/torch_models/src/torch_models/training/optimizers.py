"""Which optimizer updates which parameters, and Muon."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from torch_models.training.config import TrainingConfig


def make_optimizers(model: nn.Module, config: TrainingConfig) -> list[Optimizer]:
    """The optimizers of a run; each group's `rate` multiplies the scheduled learning rate.

    AdamW decays what has two dimensions and leaves norms and biases alone (Loshchilov and Hutter
    2019). Muon takes the matrices inside blocks; embeddings, norms and biases stay with AdamW.
    """
    named = list(model.named_parameters())
    muon = [p for name, p in named if p.dim() == 2 and "embedding" not in name]
    if config.optimizer != "muon":
        muon = []
    taken = set(muon)
    rest = [p for _, p in named if p not in taken]
    rate = config.embedding_rate if muon else 1.0
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.dim() >= 2], "rate": rate},
        {"params": [p for p in rest if p.dim() < 2], "rate": rate, "weight_decay": 0.0},
    ]
    betas, decay = (config.beta1, config.beta2), config.weight_decay
    adamw = AdamW([g for g in groups if g["params"]], betas=betas, weight_decay=decay)
    if not muon:
        return [adamw]
    return [adamw, Muon([{"params": muon, "rate": 1.0}], weight_decay=decay)]


class Muon(Optimizer):
    """Momentum whose update is made orthogonal (Jordan et al. 2024), for matrices.

    The update of an (m, n) matrix is scaled by 0.2 sqrt(max(m, n)), so that its root mean square
    is about AdamW's and the two share one learning rate (Liu et al. 2025, equation 4).
    torch.optim.Muon computes in bfloat16 everywhere, which many CPUs only emulate; this one keeps
    float32 on the CPU.

    Args:
        params: Matrices, or groups of them.
        lr: Learning rate.
        weight_decay: Decoupled decay, as a fraction of the rate.
        momentum: Decay of the running mean of gradients; the step looks ahead (Nesterov).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; a closure is not supported."""
        assert closure is None, "Muon takes no closure"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        mean = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        update = orthogonalised(gradient.lerp(mean, group["momentum"]))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        scale = 0.2 * max(parameter.shape) ** 0.5
        parameter.add_(update.to(parameter.dtype), alpha=-group["lr"] * scale)


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """About U V^T of a matrix U S V^T, by Newton-Schulz steps of fifth order.

    The coefficients are Jordan's: singular values end between about 0.7 and 1.2, not at 1, and
    get there fast. Computed in bfloat16 on a GPU and float32 on a CPU.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    result: Tensor = x if wide else x.T
    return result
