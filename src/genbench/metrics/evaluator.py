"""Score a set of samples against a reference, and record the protocol with the scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import genbench
from genbench.conditions.base import Conditions
from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.medium import Images, Medium
from genbench.metrics.choosing import listed
from genbench.metrics.clip import Clip
from genbench.metrics.drawing import SetPass
from genbench.metrics.extractor import Extractor
from genbench.metrics.extractor_set import ExtractorSet
from genbench.metrics.features import FeatureSet, Watch, unwatched
from genbench.metrics.material import MAIN, Material, Origin
from genbench.metrics.predictions import IS_SPLITS
from genbench.metrics.reference import ReferenceData, Samples, batches, features_of_split, refuse_one_picture
from genbench.metrics.reference_set import ReferenceSet
from genbench.metrics.score import Score
from genbench.metrics.score_set import ScoreSet
from genbench.sampling import Stopwatch, sample_chunks
from genbench.score_names import Better

FEWEST = IS_SPLITS
"""Smallest number of images that can be scored."""
COMPARABLE_COUNT = 10_000
"""With fewer images FID is too biased to be compared with published values."""


@dataclass(frozen=True)
class Scores:
    """Scores of a set of samples.

    Attributes:
        values: each figure's name with its value.
        protocol: all settings on which they depend.
        left_out: scores that could not be computed, each with the reason.
        better: which end of a figure is better, "lower" or "higher", of those of which one is.
        absent: figures of the scores that were left out, of real images.
    """

    values: dict[str, float]
    protocol: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    better: dict[str, Better] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


class Evaluator:
    """Score drawn or given samples, in one pass for all scores.

    Several processes call the same methods, each with its part of a set, and all get the same scores. It is not part of
    a method, so that no extractor ends up in a checkpoint.

    Args:
        count: samples drawn for a score.
        seed: of the drawn samples.
        extractor: a file of `metrics.extractors`, such as "inception", "digits", "clip", "dinov2", "coordinates" (a
            sample is its own features), or "auto": digits for grey images, Inception for others, coordinates for
            points. Or an `Extractor`, as a `_target_` makes one.
        weights: file of the weights; see `inception` and `clip`.
        scores: files of `metrics.scores`, or `Score`s, as a `_target_` makes them; all that apply if None.
        kid_subsets: pairs of subsets of KID.
        kid_subset_size: images of a subset.
        neighbours: k of precision, recall, density and coverage.
        halves: random halves of the set for the standard errors of Frechet distances; 0 for none.
        cache: folder of cached reference sets in feature space; None for no cache.
        likelihood: held-out images of `bits_per_dim`, which is then computed; None to compute it only if it is one of
            `scores`, of 128 images.
        reference: a file of the reference's statistics, see `statistics_file`; None for the images of a data set.
        clip: a run that embeds images and texts, for the scores that take one; whoever opens runs makes a `Clip` of it.
        allow_same_clip: whether that run may score a method that is built on it.
        candidates: captions, each with an image, among which `retrieval` looks for what belongs together.

    Raises:
        UserError: an argument is out of range, or a score or an extractor is not available.
    """

    def __init__(
        self,
        count: int,
        seed: int = 0,
        extractor: str | Extractor = "digits",
        weights: str | None = None,
        scores: Sequence[str | Score] | None = ("fid", "is", "modes"),
        kid_subsets: int = 100,
        kid_subset_size: int = 1000,
        neighbours: int = 3,
        halves: int = 0,
        cache: str | None = None,
        likelihood: int | None = None,
        reference: str | None = None,
        clip: str | Clip | None = None,
        allow_same_clip: bool = False,
        candidates: int = 100,
    ) -> None:
        if count < FEWEST:
            raise UserError(f"metrics.count must be at least {FEWEST} images, not {count}")
        for name, value, least in (
            ("seed", seed, 0),
            ("kid_subsets", kid_subsets, 1),
            ("kid_subset_size", kid_subset_size, 2),
            ("neighbours", neighbours, 1),
            ("halves", halves, 0),
            ("likelihood", likelihood, 1),
            ("candidates", candidates, 2),
        ):
            if value is not None and value < least:
                raise UserError(f"metrics.{name} must be at least {least}, not {value}")
        self.count = count
        self.seed = seed
        self.cache = None if cache is None else Path(cache).expanduser()
        self.seconds_per_image: float | None = None
        """Seconds that one device took to draw a sample of the last set; None before the first."""
        self.watch: Watch = unwatched
        """Shows the progress of feature extraction."""
        self._settings: dict[str, int] = {
            "kid_subsets": kid_subsets,
            "kid_subset_size": kid_subset_size,
            "neighbours": neighbours,
            "halves": halves,
        }
        if isinstance(clip, str):
            raise UserError(f"metrics.clip={clip} is of a run, which must be opened first")
        own = {"likelihood": likelihood, "clip": clip, "allow_same_clip": allow_same_clip, "candidates": candidates}
        self.scores = ScoreSet(scores, {**self._settings, **own})
        if reference is not None and not self.scores.compare:
            raise UserError("metrics.reference has no effect: none of metrics.scores compares with a reference")
        self._references = ReferenceSet(None if reference is None else Path(reference).expanduser(), self.cache)
        self._extractors = ExtractorSet(extractor, weights)
        # Loaded now, so that missing weights are reported before any image is drawn.
        self._extractors.load(self.scores, None)
        self._medium: Medium | None = None

    @property
    def has_reference(self) -> bool:
        """Whether `set_reference` was called."""
        return self._medium is not None

    def set_reference(
        self,
        data: ReferenceData,
        split: str = "train",
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        origin: Origin | None = None,
    ) -> None:
        """Use all images of a split as the reference, as far as a score needs one; all processes must call it.

        Args:
            data: the data set; its images are read only if their features are needed and not cached.
            split: of the data set.
            device: where features are extracted.
            rank: this process among `world_size`.
            world_size: processes among which the work is divided.
            origin: where the samples to be scored will come from; None for given ones.

        Raises:
            UserError: the extractor doesn't support the images, they all have the same features, or a requested score
                can't be computed from `count` samples.
        """
        self._medium = data.medium
        self._extractors.load(self.scores, data.medium)
        self._references.clear()
        chosen, left_out = self._choose(self.count, origin, labelled=None)
        if not chosen:
            raise _nothing_to_compute(left_out)
        self._references.compute(chosen, self._extractors, data, split, device, rank, world_size, self.watch)

    def score_method(
        self,
        sample: Callable[..., Tensor],
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        conditions: Conditions | None = None,
        origin: Origin | None = None,
    ) -> Scores:
        """Draw `count` samples with a method's `sample`, under the given conditions if any, and score them.

        Raises:
            UserError: they are not finite, not in [-1, 1] or not of the reference's shape.
        """
        return self.score(self.draw(sample, device, rank, world_size, conditions, origin), {"seed": self.seed})

    def draw(
        self,
        sample: Callable[..., Tensor],
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        conditions: Conditions | None = None,
        origin: Origin | None = None,
    ) -> Material:
        """Draw `count` samples with a method's `sample`, as far as a score needs any; sampling is timed.

        Args:
            sample: of the method.
            device: where features are extracted.
            rank: this process among `world_size`.
            world_size: processes among which the work is divided.
            conditions: of the samples.
            origin: where they come from, for the scores that ask.

        Raises:
            UserError: a requested score can't be computed from them.
        """
        assert self._medium is not None
        labels = None if conditions is None else conditions.labels
        chosen, _ = self._choose(self.count, origin, labelled=labels is not None, conditions=conditions)
        material = Material(0, conditions=conditions, origin=origin, seed=self.seed)
        for score in chosen:
            score.check(material)
        if not any(score.draws for score in chosen):
            return material
        stopwatch = Stopwatch()
        drawn = stopwatch.watch(
            sample_chunks(
                sample, self.count, self.seed, medium=self._medium, conditions=conditions, rank=rank,
                world_size=world_size,
            )
        )  # fmt: skip
        one = self._pass(chosen, self.count, device, self._medium, shared=world_size > 1)
        with self.watch("samples", self.count, rank, world_size) as advance:
            features, samples = one.run(drawn, labels, advance)
        if stopwatch.images:
            self.seconds_per_image = stopwatch.seconds / stopwatch.images
        targets = None if origin is None else origin.targets
        return replace(material, count=self.count, features=features, samples=samples, targets=targets)

    def score_images(
        self, images: Samples, device: torch.device | str = "cpu", *, rank: int = 0, world_size: int = 1
    ) -> Scores:
        """Score given images, uint8 (N, C, H, W), divided among the processes; see `score`.

        Raises:
            UserError: a requested score can't be computed from them, or they all have the same features.
        """
        assert self._medium is not None
        total = len(images)
        chosen, _ = self._choose(total, None, labelled=False)
        shape = tuple(images.shape[1:])
        medium = self._medium if shape == self._medium.shape else Images(shape)
        one = self._pass(chosen, total, torch.device(device), medium, shared=world_size > 1)
        with self.watch("samples", total, rank, world_size) as advance:
            features, samples = one.run(batches(images, rank, world_size), None, advance)
        for part in features.values():
            refuse_one_picture(part, "the samples")
        return self.score(Material(total, features=features, samples=samples), {})

    def score_split(
        self, data: ReferenceData, split: str, device: torch.device | str = "cpu", *, by_class: bool = False
    ) -> Scores | None:
        """Score real images of a split, in this process only, as if a method had drawn them.

        Scores that need more images are left out.

        Args:
            data: the data set.
            split: whose images are scored.
            device: where features are extracted.
            by_class: whether to include the scores of conditional methods.

        Returns:
            The scores; None if none of them can be computed of real images.
        """
        scores = [score for score in self.scores if score.of_real_images and score.draws]
        if not scores:
            return None
        features: dict[str, FeatureSet] = {}
        for key in dict.fromkeys(score.extractor_key for score in scores if score.needs_features):
            real = features_of_split(
                data, split, self._extractors.on(device, key), self.cache, device, watch=self.watch
            )
            features[key] = real if by_class else replace(real, labels=None)
        store = data.store(split)
        samples = store.samples[:] if any(score.needs_samples for score in scores) else None
        conditions = None
        if isinstance(data.condition, Captions) and any(score.needs_captions for score in scores):
            conditions = Conditions(data.condition, store.conditions[:])
        material = Material(len(store.samples), features=features, samples=samples, conditions=conditions)
        found = self.score(material, {}, strict=False)
        # What is never computed of real images is not missing.
        left_out = {score.name: found.left_out[score.name] for score in scores if score.name in found.left_out}
        absent = [self._called(score, figure) for score in scores if score.name in left_out for figure in score.figures]
        return replace(found, left_out=left_out, absent=tuple(absent))

    def score(self, material: Material, protocol: dict[str, Any], *, strict: bool = True) -> Scores:
        """Score a set.

        Args:
            material: the set, in the features of this evaluator's own extractors.
            protocol: further entries of the protocol, such as the seed.
            strict: whether a score requested by name that needs more samples is an error; otherwise it is left out.

        Raises:
            UserError: a requested score can't be computed, or none can.
        """
        labels = next((part.labels for part in material.features.values()), None)
        chosen, left_out = self._choose(
            material.count, material.origin, labelled=labels is not None, conditions=material.conditions, strict=strict
        )
        material = replace(material, references=self._references, extractors=self._extractors)
        values: dict[str, float] = {}
        better: dict[str, Better] = {}
        own: dict[str, Any] = {}
        for score in chosen:
            view = replace(material, own=score.extractor_key)
            try:
                figures = score.compute(view)
                own |= score.protocol(view)
            except ValueError as error:
                left_out[score.name] = str(error)
                continue
            values |= {self._called(score, name): float(value) for name, value in figures.items()}
            better |= {self._called(score, name): score.figures[name] for name in figures if score.figures.get(name)}
        if strict and not values:
            raise _nothing_to_compute(left_out)
        protocol = self._protocol(material) | own | protocol
        return Scores(values, protocol, left_out, better)

    def _protocol(self, material: Material) -> dict[str, Any]:
        of_features = {"is_splits": IS_SPLITS, **self._settings}
        return {
            **({"count": material.count} if material.count else {}),
            **(self._extractors[MAIN].facts if MAIN in material.features else {}),
            **self._references.protocol,
            **(of_features if material.features else {}),
            "versions": {"genbench": genbench.__version__, "torch": torch.__version__},
        }

    def _pass(
        self, chosen: Sequence[Score], total: int, device: torch.device, medium: Medium, *, shared: bool
    ) -> SetPass:
        keys = dict.fromkeys(score.extractor_key for score in chosen if score.needs_features)
        extractors = {key: self._extractors.on(device, key) for key in keys}
        keeps = any(score.needs_samples for score in chosen)
        return SetPass(extractors, total, device, medium if keeps else None, shared=shared)

    def _choose(
        self,
        count: int,
        origin: Origin | None,
        *,
        labelled: bool | None,
        conditions: Conditions | None = None,
        strict: bool = True,
    ) -> tuple[list[Score], dict[str, str]]:
        """Return the scores to compute of `count` samples, and why others can't be."""
        kind = conditions.kind if conditions is not None else None if origin is None else origin.method.condition
        return self.scores.choose(
            count, origin, medium=self._medium, labelled=labelled, captioned=isinstance(kind, Captions),
            extractors=self._extractors, references=self._references, strict=strict,
        )  # fmt: skip

    def _called(self, score: Score, figure: str) -> str:
        """Return a figure's name with the extractor's suffix, which precedes `_std`."""
        if not (score.needs_features and score.extractor is None):
            return figure
        base = figure.removesuffix("_std")
        return base + self._extractors[MAIN].suffix + figure[len(base) :]


def _nothing_to_compute(left_out: dict[str, str]) -> UserError:
    return UserError("no score can be computed: " + (listed(left_out) or "metrics.scores asks for none that applies"))
