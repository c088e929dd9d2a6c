"""Score a set of images against a reference in feature space, and record the protocol with the scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import genbench
from genbench.abilities import Generative
from genbench.conditions.base import Conditions
from genbench.errors import UserError, near
from genbench.medium import Images, Medium
from genbench.metrics.coordinates import Coordinates
from genbench.metrics.extractor import Extractor
from genbench.metrics.extractors import load_extractor
from genbench.metrics.features import FeatureSet, Watch, extract, kept_of, unwatched
from genbench.metrics.possible import Setting, choose, listed
from genbench.metrics.reference import (
    ReferenceData,
    Samples,
    batches,
    facts_of,
    look_at,
    refuse_one_picture,
)
from genbench.metrics.scores import IS_SPLITS, SCORES, Comparison
from genbench.metrics.translation import translation_scores
from genbench.sampling import Stopwatch, sample_chunks

FEWEST = IS_SPLITS
"""Smallest number of images that can be scored."""
COMPARABLE_COUNT = 10_000
"""With fewer images FID is too biased to be compared with published values."""


@dataclass(frozen=True)
class Scores:
    """Scores of a set of images.

    Attributes:
        values: each name with its value.
        protocol: all settings on which they depend.
        left_out: scores that could not be computed, each with the reason.
    """

    values: dict[str, float]
    protocol: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)


class Evaluator:
    """Score drawn or given images against a reference.

    Several processes call the same methods, each with its part of a set, and all get the same scores. It is not part of
    a method, so that no extractor ends up in a checkpoint.

    Args:
        count: images drawn for a score.
        seed: of the drawn images.
        extractor: "inception", "digits", "clip", "dinov2", "coordinates" (a sample is its own features), or "auto":
            digits for grey images, Inception for others, coordinates for points.
        weights: file of the weights; see `inception` and `vision`.
        scores: names from `scores.SCORES`; all that suit the extractor if None.
        kid_subsets: pairs of subsets of KID.
        kid_subset_size: images of a subset.
        neighbours: k of precision, recall, density and coverage.
        halves: random halves of the set for FID's standard error; 0 for none.
        cache: folder of cached reference sets in feature space; None for no cache.

    Raises:
        UserError: an argument is out of range, or the extractor is not available.
    """

    def __init__(
        self,
        count: int,
        seed: int = 0,
        extractor: Literal["auto", "digits", "inception", "clip", "dinov2", "coordinates"] = "digits",
        weights: str | None = None,
        scores: Sequence[str] | None = ("fid", "is", "modes"),
        kid_subsets: int = 100,
        kid_subset_size: int = 1000,
        neighbours: int = 3,
        halves: int = 0,
        cache: str | None = None,
    ) -> None:
        if count < FEWEST:
            raise UserError(f"metrics.count must be at least {FEWEST} images, not {count}")
        for name, value, least in (
            ("seed", seed, 0),
            ("kid_subsets", kid_subsets, 1),
            ("kid_subset_size", kid_subset_size, 2),
            ("neighbours", neighbours, 1),
            ("halves", halves, 0),
        ):
            if value < least:
                raise UserError(f"metrics.{name} must be at least {least}, not {value}")
        for score in scores or ():
            if score not in SCORES:
                raise UserError(f"metrics.scores: there is no score {score!r}{near(score, SCORES)}")
        self.count = count
        self.seed = seed
        self.scores = None if scores is None else tuple(scores)
        self.cache = None if cache is None else Path(cache).expanduser()
        self._extractor_name, self._weights = extractor, weights
        # Loaded now, so that missing weights are reported before any image is drawn.
        self._extractor: Extractor | None = None
        if extractor not in ("auto", "coordinates"):
            self._extractor = load_extractor(extractor, weights)
        self._settings = {
            "kid_subsets": kid_subsets,
            "kid_subset_size": kid_subset_size,
            "neighbours": neighbours,
            "halves": halves,
        }
        self.seconds_per_image: float | None = None
        """Seconds that one device took to draw an image of the last set; None before the first."""
        self.watch: Watch = unwatched
        """Shows the progress of feature extraction."""
        self._reference: FeatureSet | None = None
        self._medium: Medium | None = None
        self._reference_protocol: dict[str, Any] = {}

    def set_reference(
        self,
        data: ReferenceData,
        split: str = "train",
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Use all images of a split as the reference; with several processes, all must call it.

        Args:
            data: the data set; its images are read only if their features are not cached.
            split: of the data set.
            device: where features are extracted.
            rank: this process among `world_size`.
            world_size: processes among which the work is divided.

        Raises:
            UserError: the extractor doesn't support the images, they all have the same features, or a requested score
                can't be computed from `count` images.
        """
        self._medium = data.medium
        if self._extractor is None:
            self._extractor = self._suitable(data.medium)
        extractor = self._extractor
        self._choose(self.count, None, labelled=None)
        facts = facts_of(data, split, extractor)
        self._reference = look_at(
            data, facts, self._on(torch.device(device)), self.cache, device, rank, world_size, watch=self.watch
        )
        refuse_one_picture(self._reference, f"{data.name} {split}")
        self._reference_protocol = {**facts, "reference_count": self._reference.count}

    def _suitable(self, medium: Medium) -> Extractor:
        """Return the extractor that suits a medium."""
        if self._extractor_name == "coordinates" or not isinstance(medium, Images):
            return Coordinates(medium.shape)
        return load_extractor("digits" if medium.shape[0] == 1 else "inception", self._weights)

    def score_method(
        self,
        sample: Callable[..., Tensor],
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        conditions: Conditions | None = None,
    ) -> Scores:
        """Draw `count` images with a method's `sample`, under the given conditions if any, and score them.

        Raises:
            UserError: they are not finite, not in [-1, 1] or not of the reference's shape.
        """
        return self.score(self.draw(sample, device, rank, world_size, conditions), {"seed": self.seed})

    def draw(
        self,
        sample: Callable[..., Tensor],
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        conditions: Conditions | None = None,
    ) -> FeatureSet:
        """Draw `count` images with a method's `sample` and return them in feature space; sampling is timed.

        Raises:
            UserError: a requested score can't be computed from them.
        """
        labels = None if conditions is None else conditions.labels
        self._choose(self.count, self.reference, labelled=self._has_labels(labels))
        assert self._medium is not None
        stopwatch = Stopwatch()
        drawn = stopwatch.watch(
            sample_chunks(
                sample,
                self.count,
                self.seed,
                medium=self._medium,
                conditions=conditions,
                rank=rank,
                world_size=world_size,
            )
        )
        with self.watch("samples", self.count, rank, world_size) as advance:
            features = extract(
                self._on(device), drawn, self.count, device, shared=world_size > 1, labels=labels, advance=advance
            )
        if stopwatch.images:
            self.seconds_per_image = stopwatch.seconds / stopwatch.images
        return features

    def score_images(
        self, images: Samples, device: torch.device | str = "cpu", *, rank: int = 0, world_size: int = 1
    ) -> Scores:
        """Score given images, uint8 (N, C, H, W), divided among the processes; see `score`.

        Raises:
            UserError: a requested score can't be computed from them, or they all have the same features.
        """
        device = torch.device(device)
        total = len(images)
        self._choose(total, self.reference, labelled=False)
        parts = batches(images, rank, world_size)
        with self.watch("samples", total, rank, world_size) as advance:
            features = extract(self._on(device), parts, total, device, shared=world_size > 1, advance=advance)
        refuse_one_picture(features, "the samples")
        return self.score(features, {})

    def score_split(
        self, data: ReferenceData, split: str, device: torch.device | str = "cpu", *, by_class: bool = False
    ) -> Scores:
        """Score real images of a split, in this process only, as if a method had drawn them.

        Scores that need more images are left out.

        Args:
            data: the data set.
            split: whose images are scored.
            device: where features are extracted.
            by_class: whether to include the scores of conditional methods.
        """
        extractor = self._on(torch.device(device))
        facts = facts_of(data, split, extractor)
        real = look_at(data, facts, extractor, self.cache, device, watch=self.watch)
        return self.score(real if by_class else replace(real, labels=None), {}, strict=False)

    def score(self, generated: FeatureSet, protocol: dict[str, Any], *, strict: bool = True) -> Scores:
        """Score a set in feature space.

        Args:
            generated: the set, from this evaluator's own extractor.
            protocol: further entries of the protocol, such as the seed.
            strict: whether a score requested by name that needs more images is an error; otherwise it is left out.

        Raises:
            UserError: a requested score can't be computed, or none can.
        """
        suffix = self._ready_extractor().suffix
        comparison = Comparison(generated, self.reference, **self._settings)
        chosen, left_out = self._choose(
            generated.count, self.reference, labelled=self._has_labels(generated.labels), strict=strict
        )
        values: dict[str, float] = {}
        for name in chosen:
            try:
                values |= SCORES[name](comparison)
            except ValueError as error:
                left_out[name] = str(error)
        if strict and not values:
            raise UserError("no score can be computed: " + listed(left_out))
        protocol = {
            "count": generated.count,
            **self._reference_protocol,
            "is_splits": IS_SPLITS,
            **self._settings,
            "versions": {"genbench": genbench.__version__, "torch": torch.__version__},
            **protocol,
        }
        return Scores({_with_suffix(name, suffix): value for name, value in values.items()}, protocol, left_out)

    def score_translation(
        self, method: Generative, back: Callable[..., Tensor] | None, data: Any, split: str
    ) -> Scores:
        """Score at most `count` translations of a split's source images, see `translation_scores`.

        Args:
            method: whose condition is source images.
            back: its `sample_back`, if it has one.
            data: the data set of the targets.
            split: a held-out split.
        """
        extractor = self._ready_extractor()
        store = data.store(split)
        count = min(self.count, len(store.samples if method.derives_condition else store.conditions))
        values = translation_scores(method, back, data, split, extractor, count=count, seed=self.seed)
        seen_by_extractor = ("target_agreement", "in_target_domain", "domain_accuracy")
        named = {
            _with_suffix(name, extractor.suffix if name in seen_by_extractor else ""): value
            for name, value in values.items()
        }
        return Scores(named, {"translation_split": split, "translation_count": count})

    def _choose(
        self, count: int, reference: FeatureSet | None, *, labelled: bool | None, strict: bool = True
    ) -> tuple[list[str], dict[str, str]]:
        """Return the result of `possible.choose` for `count` images."""
        extractor = self._ready_extractor()
        setting = Setting(
            generated=kept_of(count),
            reference=None if reference is None else len(reference.features),
            dimensions=extractor.feature_dim,
            class_count=extractor.class_count,
            labelled=labelled,
            kid_subset_size=self._settings["kid_subset_size"],
            neighbours=self._settings["neighbours"],
        )
        return choose(self.scores, setting, strict=strict)

    def _has_labels(self, labels: Tensor | None) -> bool:
        return labels is not None and self.reference.labels is not None

    @property
    def reference(self) -> FeatureSet:
        """The reference in feature space."""
        if self._reference is None:
            raise RuntimeError("call set_reference first")
        return self._reference

    def _ready_extractor(self) -> Extractor:
        if self._extractor is None:
            raise RuntimeError("call set_reference first")
        return self._extractor

    def _on(self, device: torch.device) -> Extractor:
        return self._ready_extractor().to(device)


def _with_suffix(name: str, suffix: str) -> str:
    """Return a score's name with its extractor's suffix, which precedes `_std`."""
    base = name.removesuffix("_std")
    return base + suffix + name[len(base) :]
