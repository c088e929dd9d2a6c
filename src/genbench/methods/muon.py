"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): orthogonal steps of matrices.

Adam scales each weight's steps by its own gradients, of which most say the same: what the largest errors are made of.
Muon makes the step of a whole matrix orthogonal, so that it is equally long in every direction, also in those of which
the gradients say little, such as what a word means that changes few pixels.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adam import adam

from genbench.methods.optimisation import by_rank

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5

_ADAM_RMS = 0.2
"""The root mean square of Adam's steps at a learning rate of 1 (Liu et al. 2025, https://arxiv.org/abs/2502.16982)."""


class Muon(Optimizer):
    """Muon of matrices, kernels and embeddings; Adam of gains, biases and other vectors and numbers.

    A kernel is a matrix of as many rows as it has output channels.

    Args:
        params: to be optimised.
        lr: learning rate of Muon. Its steps are scaled to a root mean square of 0.2 lr, that of Adam's.
        momentum: of Muon, in Nesterov's form.
        adam_lr: learning rate of Adam.
        betas: of Adam.
        eps: of Adam.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 2e-3,
        momentum: float = 0.95,
        adam_lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        matrices, others = by_rank(params)
        groups = [{"params": matrices, "lr": lr}, {"params": others, "lr": adam_lr}]
        super().__init__(groups, {"momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step of every parameter that has a gradient; return what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        matrices, others = self.param_groups
        self._step_matrices(matrices)
        self._step_others(others)
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        # Matrices of one shape are made orthogonal together.
        alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                alike[len(parameter), parameter[0].numel()].append(parameter)
        for (rows, columns), parameters in alike.items():
            ahead = [self._ahead(each, group["momentum"]).reshape(rows, columns) for each in parameters]
            steps = orthogonalise(torch.stack(ahead))
            scale = _ADAM_RMS * max(rows, columns) ** 0.5
            for parameter, step in zip(parameters, steps, strict=True):
                parameter.add_(step.view(parameter.shape), alpha=-group["lr"] * scale)

    def _ahead(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """Update the mean of a parameter's gradients, and return where Nesterov's step goes."""
        assert parameter.grad is not None
        mean = self._state_of(parameter, "momentum")["momentum"].mul_(momentum).add_(parameter.grad)
        return parameter.grad.add(mean, alpha=momentum)

    def _step_others(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        states = [self._state_of(parameter, "mean", "mean_square") for parameter in parameters]
        for state in states:
            state.setdefault("step", torch.zeros(()))
        beta1, beta2 = group["betas"]
        adam(
            parameters,
            [parameter.grad for parameter in parameters],
            [state["mean"] for state in states],
            [state["mean_square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )

    def _state_of(self, parameter: nn.Parameter, *names: str) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        for name in names:
            if name not in state:
                state[name] = torch.zeros_like(parameter)
        return state


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return about the nearest semi-orthogonal matrices of others (N, A, B), whose singular values are 0.7 to 1.2.

    Five Newton-Schulz iterations by the author's coefficients, which reach values near 1 soon and never 1.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT).to(_precision_for(matrices.device))
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(matrices.dtype)


def _precision_for(device: torch.device) -> torch.dtype:
    """Return bfloat16, which is enough, where matrices of it are multiplied fast."""
    is_fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False))
    return torch.bfloat16 if is_fast else torch.float32
