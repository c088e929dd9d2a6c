"""A method that is trained and draws nothing."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.classes import Classes
from genbench.methods.base import Method
from genbench.methods.optimisation import Loss, MakeOptimizer


class LinearClassifier(Method):
    """Classify images by a linear map of their pixels."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        condition: Condition | None,
        *,
        optimizer: MakeOptimizer,
    ) -> None:
        super().__init__()
        classes = expect(condition, Classes, "a classifier takes data with classes")
        channels, height, width = image_shape
        self.linear = nn.Linear(channels * height * width, len(classes.names))
        self.optimise("linear", self.linear, optimizer, loss="cross_entropy")

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        self.take_step("linear", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        x, y = batch.pair()
        return cross_entropy(self.linear(x.flatten(1)), y), {}
