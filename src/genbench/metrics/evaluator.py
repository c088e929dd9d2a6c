"""Score a set of images against a reference by what a feature extractor sees, with the protocol beside the numbers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from genbench.errors import UserError
from genbench.metrics.extractors import Features, hash_weights, load_digit_classifier
from genbench.metrics.frechet import GaussianStatistics, frechet_distance
from genbench.metrics.predictions import class_shares, distance_from_uniform, inception_score
from genbench.sampling import sample_chunks

_BATCH = 256
_SPLITS = 10


class Images(Protocol):
    """uint8 images (N, C, H, W): a tensor, or something on disk that is sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, index: slice) -> Tensor:
        """Return consecutive images."""


class Predictions(Metric):
    """Logits with the index of their image, gathered over processes and put back into the order of the set."""

    full_state_update = False
    logits: list[Tensor]
    indices: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("indices", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, first_index: int) -> None:
        """Add the logits (B, K) of consecutive images."""
        self.logits.append(logits)
        self.indices.append(torch.arange(first_index, first_index + len(logits), device=logits.device))

    def compute(self) -> Tensor:
        """Return the logits of all images (N, K) in the order of the set."""
        return dim_zero_cat(self.logits)[dim_zero_cat(self.indices).argsort()]


@dataclass(frozen=True)
class Scores:
    """Scores of a set of images, each name with its value, and the protocol that gives them their meaning."""

    values: dict[str, float]
    protocol: dict[str, Any]


class Evaluator:
    """Score images by the digit classifier: `fid_digits`, `is_digits` and the coverage of the ten classes.

    Processes that share a set call the same methods with their own parts of it, and all get the same scores. It lives
    outside the methods, so that no extractor enters a checkpoint.

    Args:
        count: images that are drawn for a score.
        seed: seed of the drawn images.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        if count < _SPLITS:
            raise UserError(f"metrics.count must be at least {_SPLITS} images, not {count}")
        if seed < 0:
            raise UserError(f"metrics.seed must be at least 0, not {seed}")
        self.count = count
        self.seed = seed
        self._extractor = load_digit_classifier()
        self._reference: tuple[Tensor, Tensor] | None = None
        self._reference_protocol: dict[str, Any] = {}

    def set_reference(self, images: Images, name: str, split: str) -> None:
        """Compare with these images from now on: uint8 (N, 1, H, W), all of a split, the same in every process."""
        if images.shape[1] != 1:
            raise UserError(
                f"the digit classifier scores grey images, and those of {name} have {images.shape[1]} channels: "
                "set metrics=none"
            )
        # Nothing is to be summed over processes here.
        statistics = GaussianStatistics(self._extractor.feature_dim, sync_on_compute=False)
        for _, batch in _batches(images):
            statistics.update(self._extract(batch).features)
        self._reference = statistics.compute()
        self._reference_protocol = {"reference": name, "reference_split": split, "reference_count": len(images)}

    def score_method(
        self, sample: Callable[..., Tensor], device: torch.device, rank: int = 0, world_size: int = 1
    ) -> Scores:
        """Draw `count` images with a method's `sample` and score them."""
        if device.type == "mps":
            # Apple's GPUs have no float64, in which the statistics are kept.
            device = torch.device("cpu")
        drawn = sample_chunks(sample, self.count, self.seed, rank=rank, world_size=world_size)
        return self._score(drawn, device, {"seed": self.seed}, shared=True)

    def score_images(self, images: Images) -> Scores:
        """Score given images, uint8 (N, 1, H, W), in this process alone."""
        return self._score(_batches(images), torch.device("cpu"), {}, shared=False)

    @torch.no_grad()
    def _extract(self, images: Tensor) -> Features:
        features: Features = self._extractor.to(images.device)(images)
        return features

    def _score(
        self, parts: Iterable[tuple[int, Tensor]], device: torch.device, protocol: dict[str, Any], *, shared: bool
    ) -> Scores:
        if self._reference is None:
            raise RuntimeError("set_reference comes before any score")
        statistics = GaussianStatistics(self._extractor.feature_dim, sync_on_compute=shared).to(device)
        predictions = Predictions(sync_on_compute=shared).to(device)
        # A process that no chunk falls to has something to gather all the same.
        predictions.update(torch.empty(0, self._extractor.class_count, device=device), 0)
        for first, images in parts:
            features, logits = self._extract(images.to(device))
            statistics.update(features)
            predictions.update(logits, first)
        logits = predictions.compute()
        shares = class_shares(logits)
        mean_is, std_is = inception_score(logits, _SPLITS)
        values = {
            "fid_digits": frechet_distance(*statistics.compute(), *self._reference),
            "is_digits": mean_is,
            "is_digits_std": std_is,
            "classes_digits": float((shares > 0).sum()),
            "smallest_class_digits": float(shares.min()),
            "distance_from_uniform_digits": distance_from_uniform(shares),
        }
        protocol = {
            "count": len(logits),
            **self._reference_protocol,
            "extractor": "digit classifier",
            "extractor_sha256": hash_weights(),
            "resize": self._extractor.resize_filter,
            "is_splits": _SPLITS,
            **protocol,
        }
        return Scores(values, protocol)


def _batches(images: Images) -> Iterator[tuple[int, Tensor]]:
    return ((first, images[first : first + _BATCH]) for first in range(0, len(images), _BATCH))
