"""The reference of an evaluator: the images of a split, or a file of statistics, in the features of each extractor."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from genbench.metrics.extractor_set import ExtractorSet
from genbench.metrics.features import FeatureSet, Watch
from genbench.metrics.material import MAIN
from genbench.metrics.reference import ReferenceData, facts_of, features_of_split, refuse_one_picture
from genbench.metrics.score import Score
from genbench.metrics.statistics_file import check_statistics, hash_statistics, read_statistics, warn_of_protocol


class ReferenceSet(dict[str, FeatureSet]):
    """The reference in the features of each extractor that a score compares with.

    Args:
        file: of statistics in the features of `MAIN`; None for the images of a data set.
        cache: folder of cached reference sets; None for no cache.

    Raises:
        UserError: the file is none of statistics.
    """

    def __init__(self, file: Path | None, cache: Path | None) -> None:
        super().__init__()
        self.file, self._cache = file, cache
        self.protocol: dict[str, Any] = {}
        """What a protocol says of it; empty if no score needs it."""
        if file is not None:
            check_statistics(file)

    def offers(self, key: str) -> bool:
        """Return whether there can be a reference in the features of an extractor."""
        return self.file is None or key == MAIN

    def compute(
        self,
        scores: Iterable[Score],
        extractors: ExtractorSet,
        data: ReferenceData,
        split: str,
        device: torch.device | str,
        rank: int,
        world_size: int,
        watch: Watch,
    ) -> None:
        """Compute what scores need of it, and nothing else; all processes must call this.

        Raises:
            UserError: the extractor doesn't support the images, they all have the same features, or the file is of
                another extractor.
        """
        self.clear()
        self.protocol = {}
        for key in dict.fromkeys(score.extractor_key for score in scores if score.needs_reference):
            extractor = extractors.on(device, key)
            if self.file is not None:
                self[key] = read_statistics(self.file, extractor.feature_dim, extractor.class_count)
                if rank == 0:
                    warn_of_protocol(self.file)
                self.protocol = {
                    "reference": self.file.name,
                    "reference_split": "statistics",
                    "reference_sha256": hash_statistics(self.file),
                }
                continue
            self[key] = features_of_split(data, split, extractor, self._cache, device, rank, world_size, watch)
            refuse_one_picture(self[key], f"{data.name} {split}")
            self.protocol = {**facts_of(data, split), "reference_count": self[key].count}
