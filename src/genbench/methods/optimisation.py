"""What a method optimises: a network, its optimizer and its average."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from genbench.methods.averaging import AveragedNetwork
from genbench.methods.learning_rates import Schedule
from genbench.methods.sharding import is_divided, local, total_norm

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
"""Maps parameters to an optimizer."""

Loss = tuple[Tensor, dict[str, Tensor]]
"""A loss to be minimised, the mean over a batch, and further figures to log."""


@dataclass(frozen=True)
class Optimised:
    """A network that is trained by an optimizer of its own.

    Attributes:
        index: of the optimizer among the method's; the first one's steps are the trainer's.
        network: whose parameters are optimised.
        make_optimizer: called with them.
        average: follows the network; None for no average.
        loss_name: of the loss among the logged figures, `loss/<loss_name>`.
    """

    index: int
    network: nn.Module
    make_optimizer: MakeOptimizer
    average: AveragedNetwork | None
    loss_name: str


class MatrixAdamW(AdamW):
    """AdamW that decays matrices, kernels and embeddings, but no gains, biases or other vectors and numbers.

    As OpenAI trains CLIP (Radford et al. 2021, section 2.5: "all weights that are not gains or biases").

    Args:
        params: to be optimised.
        lr: learning rate; this default and the others are OpenAI's of vision transformers.
        betas: as AdamW has them.
        eps: likewise.
        weight_decay: of the former.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 5e-4,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-6,
        weight_decay: float = 0.2,
    ) -> None:
        matrices, others = by_rank(params)
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        super().__init__(groups, lr=lr, betas=betas, eps=eps)


def by_rank(params: Iterable[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return matrices, kernels and embeddings, and apart from them gains, biases and other vectors and numbers."""
    kept = list(params)
    return [each for each in kept if each.ndim >= 2], [each for each in kept if each.ndim < 2]


def set_rates(optimizer: Any, schedule: Schedule, step: int) -> None:
    """Set the learning rates of an optimizer to those of the step of this index, by those that it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = schedule.rate(step, group.setdefault("initial_lr", group["lr"]))


def clip_gradients(optimizer: Any, most: float, loss_scale: float) -> Tensor:
    """Scale the gradients of an optimizer's parameters down to a norm, and return the norm that they had.

    Args:
        optimizer: whose parameters have gradients.
        most: largest norm of all of them together; 0 for no clipping.
        loss_scale: the factor by which the gradients are larger than those of the loss.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if most and not any(map(is_divided, parameters)):
        return nn.utils.clip_grad_norm_(parameters, most * loss_scale) / loss_scale
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = total_norm(gradients)
    if most:
        torch._foreach_mul_([local(each) for each in gradients], (most * loss_scale / (norm + 1e-6)).clamp(max=1))
    return norm / loss_scale


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Let the parameters of networks need no gradient, as long as another network learns from what they return."""
    parameters = [each for network in networks for each in network.parameters() if each.requires_grad]
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


class MeanFigures:
    """The means of figures over the parts of a batch; a figure that only some parts have is their mean."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, figures: dict[str, Tensor], weight: float) -> None:
        """Add the figures of a part, which is this fraction of the batch."""
        for name, value in figures.items():
            value = value.detach() * weight
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def means(self) -> dict[str, Tensor]:
        """Return the means."""
        return {name: total / self._weights[name] for name, total in self._sums.items()}
