"""Methods that are only assembled from their parts: there is nothing to train."""

from genbench.errors import UserError
from genbench.methods.base import GenerativeMethod


class Assembled(GenerativeMethod):
    """A method that is sampled, scored and edited as soon as its parts are named."""

    def training_step(self, batch: object, batch_idx: int) -> None:
        """Refuse: there is nothing to train.

        Raises:
            UserError: always.
        """
        raise UserError("this method is only assembled from its parts: set steps=0")
