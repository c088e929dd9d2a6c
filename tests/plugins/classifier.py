"""A method that is trained and draws nothing."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.classes import Classes
from genbench.methods.base import Method


class LinearClassifier(Method):
    """Classify images by a linear map of their pixels."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        condition: Condition | None,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        classes = expect(condition, Classes, "a classifier takes data with classes")
        channels, height, width = image_shape
        self.linear = nn.Linear(channels * height * width, len(classes.names))
        self._make_optimizer = optimizer

    def configure_optimizers(self) -> Optimizer:
        return self._make_optimizer(self.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        assert batch.condition is not None
        loss = cross_entropy(self.linear(batch.x.flatten(1)), batch.condition)
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        if self.logs_at(self.step):
            self.log_figures({"loss/cross_entropy": loss.detach()})
        return {"loss/cross_entropy": loss.detach()}
