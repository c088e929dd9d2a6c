"""What scores are computed from: one set of samples as the extractors see it, and all that belongs to it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.metrics.extractor import Extractor
from genbench.metrics.features import FeatureSet

MAIN = "main"
"""The key of the evaluator's own extractor among the others, which have the names of their files."""

_BATCH = 64


class Picked:
    """Some rows of stored samples, in an order, read only as they are asked for.

    Args:
        samples: stored samples, such as uint8 images (N, C, H, W): a tensor, or an object that is indexed like one.
        rows: which of them, (M,).
    """

    def __init__(self, samples: Any, rows: Tensor) -> None:
        self._samples, self._rows = samples, rows

    def __len__(self) -> int:
        """Return M."""
        return len(self._rows)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        """Return some of the samples."""
        samples: Tensor = self._samples[self._rows[index]]
        return samples

    def take(self, rows: Tensor) -> "Picked":
        """Return some of the rows."""
        return Picked(self._samples, self._rows[rows])


@dataclass(frozen=True)
class Origin:
    """Where drawn samples come from.

    Attributes:
        method: drew them, a `Generative`.
        data: its data set.
        split: that its conditions are from; a held-out one unless there is no other.
        rows: the row of that split that each sample's condition is from, (N,); None if it is from none.
    """

    method: Any
    data: Any
    split: str
    rows: Tensor | None = None

    @property
    def targets(self) -> Picked | None:
        """The sample of the data set that each condition belongs to, where it is a source image or derived from it."""
        if self.rows is None:
            return None
        store, condition = self.data.store(self.split), self.method.condition
        derived = self.method.derives_condition
        if not (condition.restores if derived else condition.sources is not None and store.has_pairs):
            return None
        return Picked(store.samples, self.rows)


@dataclass(frozen=True)
class Material:
    """A set of samples, its reference, and what else a score may ask for.

    Samples are numbered from 0 to N - 1. Of large sets every n-th feature vector is kept, see `features`; all else is
    of all samples.

    Attributes:
        count: N.
        features: the set in the features of each extractor that a score needs.
        references: the reference in the same features, as far as a score needs it.
        extractors: the extractors, on `device`.
        own: the extractor whose features `generated` and `reference` are.
        samples: as the medium stores them, (N, ...), if a score needs them; images are uint8.
        conditions: what each sample was conditioned on, if anything.
        targets: the target of each sample, if there are any.
        origin: where the samples come from; None for given ones.
        seed: of the samples.
        settled: numbers row by row that scores have computed already, see `once`.
    """

    count: int
    features: Mapping[str, FeatureSet] = field(default_factory=dict)
    references: Mapping[str, FeatureSet] = field(default_factory=dict)
    extractors: Mapping[str, Extractor] = field(default_factory=dict)
    own: str = MAIN
    samples: Tensor | None = None
    conditions: Conditions | None = None
    targets: Picked | None = None
    origin: Origin | None = None
    seed: int = 0
    settled: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def generated(self) -> FeatureSet:
        """The set in the features of the score's extractor."""
        return self.features[self.own]

    @property
    def reference(self) -> FeatureSet:
        """The reference in the features of the score's extractor."""
        return self.references[self.own]

    @property
    def extractor(self) -> Extractor:
        """The score's extractor."""
        return self.extractors[self.own]

    @property
    def texts(self) -> list[str]:
        """The caption that each sample was conditioned on."""
        assert self.conditions is not None
        return self.conditions.kind.describe(self.conditions.rows)

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of samples, each with their targets, on the CPU; images are uint8 (B, C, H, W)."""
        assert self.samples is not None
        assert self.targets is not None
        for first in range(0, self.count, _BATCH):
            rows = slice(first, first + _BATCH)
            yield self.samples[rows], self.targets[rows]

    def once(self, name: str, measure: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return numbers of each row that take long, such as a distance of each sample to its target.

        They are computed once; halves of the set have their halves of them.

        Args:
            name: of the score.
            measure: computes them, each (rows, ...).
        """
        if name not in self.settled:
            self.settled[name] = measure()
        return self.settled[name]

    def halves(self, count: int, seed: int = 0) -> Iterator["Material"]:
        """Yield random halves of the set, each against the whole reference; for two sets of one size, the same rows.

        The spread of the differences of two sets' scores gives their standard error (the delete-half jackknife, Shao
        and Wu 1989): errors common to both halves cancel. Unlike a bootstrap it draws no sample twice; a repeated one
        would be its own nearest neighbour.
        """
        generators: dict[int, torch.Generator] = {}
        for _ in range(count):
            chosen: dict[int, Tensor] = {}

            def half(total: int, chosen: dict[int, Tensor] = chosen) -> Tensor:
                if total not in chosen:
                    generator = generators.setdefault(total, torch.Generator().manual_seed(seed))
                    chosen[total] = torch.randperm(total, generator=generator)[: total // 2]
                return chosen[total]

            rows = half(self.count)
            yield replace(
                self,
                count=len(rows),
                features={name: part.take(half(len(part.features))) for name, part in self.features.items()},
                samples=None if self.samples is None else self.samples[rows],
                conditions=None if self.conditions is None else self.conditions[rows],
                targets=None if self.targets is None else self.targets.take(rows),
                settled={
                    name: {key: values[half(len(values))] for key, values in found.items()}
                    for name, found in self.settled.items()
                },
            )
