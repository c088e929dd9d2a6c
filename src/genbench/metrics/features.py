"""Features of a set of images, extracted in one pass and gathered over processes in the order of the set."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from genbench.errors import UserError
from genbench.metrics.extractor import Extractor
from genbench.metrics.frechet import GaussianStatistics

MOST_FEATURES = 50_000
"""For larger sets every n-th feature vector is kept; mean and covariance include all."""


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


class Rows(Metric):
    """Rows of features and logits with the index of their image, gathered over processes and sorted.

    Args:
        every: one of so many images is kept.
    """

    full_state_update = False
    features: list[Tensor]
    logits: list[Tensor]
    indices: list[Tensor]

    def __init__(self, every: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every = every
        for name in ("features", "logits", "indices"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, features: Tensor, logits: Tensor, first_index: int) -> None:
        """Add the features (B, D) and logits (B, K) of consecutive images."""
        indices = torch.arange(first_index, first_index + len(features), device=features.device)
        kept = indices % self.every == 0
        self.features.append(features[kept])
        self.logits.append(logits[kept])
        self.indices.append(indices[kept])

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, K) of the kept images of all processes."""
        order = dim_zero_cat(self.indices).argsort()
        return dim_zero_cat(self.features)[order], dim_zero_cat(self.logits)[order]


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


@torch.no_grad()
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
    """Return a set of images in feature space; each image passes through the extractor once, for all scores.

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
    # Statistics are accumulated in float64, which Apple's GPUs lack.
    keeper = torch.device("cpu") if device.type == "mps" else device
    statistics = GaussianStatistics(extractor.feature_dim, sync_on_compute=shared).to(keeper)
    rows = Rows(kept_every(total), sync_on_compute=shared).to(keeper)
    # A process without parts must contribute an empty tensor to the gathering.
    rows.update(
        torch.empty(0, extractor.feature_dim, device=keeper), torch.empty(0, extractor.class_count, device=keeper), 0
    )
    for first, images in parts:
        if extractor.takes_images and (images.dtype != torch.uint8 or images.ndim != 4):
            raise UserError(
                f"the {extractor.name} takes uint8 images (B, C, H, W), not {images.dtype} {tuple(images.shape)}: for "
                "samples that are no images set metrics=points"
            )
        features, logits = (output.to(keeper) for output in extractor(images.to(device)))
        if not features.isfinite().all():
            bad = int((~features.isfinite().all(1)).nonzero()[0])
            raise UserError(f"the features of image {first + bad} are not finite: the extractor's weights are damaged")
        statistics.update(features)
        rows.update(features, logits, first)
        advance(len(images))
    mean, covariance = (moment.cpu() for moment in statistics.compute())
    features, logits = (tensor.float().cpu() for tensor in rows.compute())
    kept = None if labels is None else labels.cpu()[:: kept_every(total)]
    return FeatureSet(mean, covariance, features, logits, total, kept)
