"""What methods have in common that translate images among many domains by one generator."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain, flipped
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod


class DomainTranslation(AdversarialMethod):
    """Learn from images and their own domains alone; sample translations of source images into target domains.

    Data with the true translations of its sources (`TargetDomain`) is learnt from as any other: an image's source is
    not looked at in training. Data with classes or attributes has no sources: held-out images are translated, each
    into another class, or with one attribute changed.

    Args:
        generator: the network whose averaged weights translate.
        discriminator: looks at images.
        image_shape: (C, H, W) of the data.
        condition: of the data, see `target_domain_of`.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no domains.
    """

    condition: TargetDomain

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        image_shape: Sequence[int],
        condition: TargetDomain,
        **settings: Any,
    ) -> None:
        super().__init__(generator, discriminator, **settings)
        self.medium = Images(image_shape)
        self.condition = condition
        self.derives_condition = condition.drawn

    def domains_of(self, batch: Batch) -> Tensor:
        """Return the domains that the images of a batch are of: classes (B,) or attributes (B, K)."""
        assert batch.condition is not None
        return batch.condition if self.condition.drawn else self.condition.split(batch.condition)[0]

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return rows of a batch: the data's, or its images as sources, the i-th by the i-th of the possible changes.

        An image's own class is no target; all others come in turn.
        """
        if not self.condition.drawn:
            return batch.condition
        own = self.domains_of(batch)
        names, places = len(self.condition.domains.names), torch.arange(len(own), device=own.device)
        if isinstance(self.condition.domains, Classes):
            return self.condition.pack((own + 1 + places % (names - 1)) % names, batch.x)
        return self.condition.pack(flipped(own, places % names), batch.x)

    def targets_of(self, condition: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
        """Return the target domains and the source images (count, C, H, W) of rows, after a check, on the device.

        Raises:
            ValueError: the rows are missing or invalid.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        return self.condition.split(rows)


def target_domain_of(condition: Condition | None, image_shape: Sequence[int], *, attributes: bool) -> TargetDomain:
    """Return the condition of a method that translates among the domains of data.

    Args:
        condition: of the data, classes or attributes, or sources with their targets; or what a run folder keeps.
        image_shape: (C, H, W) of the images.
        attributes: whether domains may be attributes, of which an image has several.

    Raises:
        ValueError: there are no domains, or they are of the other kind.
    """
    domains = condition.domains if isinstance(condition, TargetDomain) else condition
    if isinstance(domains, Attributes) and not attributes:
        raise ValueError(
            "this method takes domains of which an image is of one alone: data with classes, such as folders of images"
        )
    if isinstance(condition, TargetDomain):
        return condition
    if not isinstance(condition, Classes | Attributes):
        kinds = "classes or attributes" if attributes else "classes"
        raise ValueError(f"translation among domains takes data with {kinds}, or data=emoji_domains")
    return TargetDomain(condition, image_shape, drawn=True)
