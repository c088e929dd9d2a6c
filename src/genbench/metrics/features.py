"""Features of a set of images, extracted in one pass and gathered over processes in the order of the set."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from genbench.errors import UserError
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.frechet import GaussianStatistics

MOST_FEATURES = 50_000
"""For larger sets every n-th feature vector is kept; mean and covariance include all."""

_BATCH = 64


@dataclass(frozen=True)
class FeatureSet:
    """A set of images in feature space, on the CPU.

    Attributes:
        mean: of the features, float64 (D,).
        covariance: of the features, float64 (D, D).
        features: of the images that were kept, float32 (N, D), in the order of the set.
        logits: of the same images, float32 (N, K).
        count: images included in mean and covariance.
        labels: classes of the kept images (N,), if they have any.
    """

    mean: Tensor
    covariance: Tensor
    features: Tensor
    logits: Tensor
    count: int
    labels: Tensor | None = None

    def take(self, rows: Tensor) -> "FeatureSet":
        """Return some of the kept images as a set of its own."""
        chosen = self.features[rows].double()
        return FeatureSet(
            mean=chosen.mean(0),
            covariance=torch.atleast_2d(chosen.T.cov()),
            features=self.features[rows],
            logits=self.logits[rows],
            count=len(rows),
            labels=None if self.labels is None else self.labels[rows],
        )


class Rows(Metric):
    """Rows of several tensors with the index of their image, gathered over processes and sorted.

    Args:
        every: one of so many images is kept.
        none: no rows of each tensor, (0, ...); a process without images contributes them to the gathering.
    """

    full_state_update = False
    indices: list[Tensor]

    def __init__(self, every: int, none: Sequence[Tensor], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every = every
        self._names = [f"rows_{number}" for number in range(len(none))]
        for name in (*self._names, "indices"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.update(0, *none)

    def update(self, first_index: int, *tensors: Tensor) -> None:
        """Add the rows (B, ...) of consecutive images, in the order of `none`."""
        indices = torch.arange(first_index, first_index + len(tensors[0]), device=tensors[0].device)
        kept = indices % self.every == 0
        for name, tensor in zip(self._names, tensors, strict=True):
            getattr(self, name).append(tensor[kept])
        self.indices.append(indices[kept])

    def compute(self) -> list[Tensor]:
        """Return the rows (N, ...) of the kept images of all processes."""
        order = dim_zero_cat(self.indices).argsort()
        return [dim_zero_cat(getattr(self, name))[order] for name in self._names]


def kept_every(total: int) -> int:
    """Return n, where every n-th feature vector of a set of `total` images is kept."""
    return max(1, -(-total // MOST_FEATURES))


def kept_of(total: int) -> int:
    """Return how many feature vectors are kept of a set of `total` images."""
    return -(-total // kept_every(total))


Advance = Callable[[int], None]
"""Called with the number of images processed since the last call."""

Watch = Callable[[str, int, int, int], AbstractContextManager[Advance]]
"""Shows the progress on a set; called with its name, its number of images, rank and world size."""


@contextmanager
def unwatched(name: str, total: int, rank: int, world_size: int) -> Iterator[Advance]:
    """Show no progress."""
    yield lambda count: None


class Extraction:
    """The features of a set, part by part; each image passes through the extractor once, for all scores.

    Args:
        extractor: on `device`.
        total: images of the whole set.
        device: where the extractor is.
        shared: whether several processes do this, each with its parts of one set.
    """

    def __init__(self, extractor: Extractor, total: int, device: torch.device, *, shared: bool) -> None:
        self._extractor, self._total, self._device = extractor, total, device
        # Statistics are accumulated in float64, which Apple's GPUs lack.
        self._keeper = torch.device("cpu") if device.type == "mps" else device
        self._statistics = GaussianStatistics(extractor.feature_dim, sync_on_compute=shared).to(self._keeper)
        none = [torch.empty(0, width, device=self._keeper) for width in (extractor.feature_dim, extractor.class_count)]
        self._rows = Rows(kept_every(total), none, sync_on_compute=shared).to(self._keeper)

    @torch.no_grad()
    def add(self, first: int, images: Tensor) -> None:
        """Add stored samples, such as uint8 images (B, C, H, W).

        Args:
            first: the index of the first one in the set.
            images: consecutive ones.

        Raises:
            UserError: the extractor doesn't support them, or their features are not finite.
        """
        extractor = self._extractor
        if extractor.takes_images and (images.dtype != torch.uint8 or images.ndim != 4):
            raise UserError(
                f"the {extractor.name} takes uint8 images (B, C, H, W), not {images.dtype} {tuple(images.shape)}: for "
                "samples that are no images set metrics=points"
            )
        features, logits = (output.to(self._keeper) for output in extractor(images.to(self._device)))
        if not features.isfinite().all():
            bad = int((~features.isfinite().all(1)).nonzero()[0])
            raise UserError(f"the features of image {first + bad} are not finite: the extractor's weights are damaged")
        self._statistics.update(features)
        self._rows.update(first, features, logits)

    def result(self, labels: Tensor | None = None) -> FeatureSet:
        """Return the set; all processes must ask for it.

        Args:
            labels: classes of all images (total,), if they have any.
        """
        mean, covariance = (moment.cpu() for moment in self._statistics.compute())
        width = self._extractor.feature_dim
        # torchmetrics returns a single number without its dimensions.
        mean, covariance = mean.reshape(width), covariance.reshape(width, width)
        features, logits = (tensor.float().cpu() for tensor in self._rows.compute())
        kept = None if labels is None else labels.cpu()[:: kept_every(self._total)]
        return FeatureSet(mean, covariance, features, logits, self._total, kept)


def extract(
    extractor: Extractor,
    parts: Iterable[tuple[int, Tensor]],
    total: int,
    device: torch.device,
    *,
    shared: bool,
    labels: Tensor | None = None,
    advance: Advance = lambda count: None,
) -> FeatureSet:
    """Return a set of images in the features of one extractor, see `Extraction`.

    Args:
        extractor: on `device`.
        parts: the first index and the uint8 images (B, C, H, W) of this process's parts.
        total: images of the whole set.
        device: where the extractor is.
        shared: whether several processes call this, each with its parts of one set.
        labels: classes of all images (total,), if they have any.
        advance: called with the number of images of each part.

    Raises:
        UserError: the extractor doesn't support the images, or its features are not finite.
    """
    extraction = Extraction(extractor, total, device, shared=shared)
    for first, images in parts:
        extraction.add(first, images)
        advance(len(images))
    return extraction.result(labels)


@torch.no_grad()
def features_of(extractor: Extractor, images: Any) -> Features:
    """Return what an extractor makes of images, all of them, on the CPU.

    Args:
        extractor: on any device.
        images: stored samples, (N, ...): a tensor, or an object that is sliced like one; at least one.
    """
    place = next((tensor.device for tensor in (*extractor.parameters(), *extractor.buffers())), torch.device("cpu"))
    parts = [extractor(images[first : first + _BATCH].to(place)) for first in range(0, len(images), _BATCH)]
    features, logits = zip(*parts, strict=True)
    return Features(torch.cat(features).float().cpu(), torch.cat(logits).float().cpu())
