"""One pass over a set of samples for all scores: several extractors see each sample, and it is kept if need be."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from genbench.medium import Medium
from genbench.metrics.extractor import Extractor
from genbench.metrics.features import Advance, Extraction, FeatureSet, Rows


class SetPass:
    """One pass over a set.

    Args:
        extractors: that see each sample, on `device`.
        total: samples of the whole set.
        device: where the extractors are.
        kept: what a sample is, if the samples are to be kept; else None.
        shared: whether several processes do this, each with its parts of one set.
    """

    def __init__(
        self,
        extractors: Mapping[str, Extractor],
        total: int,
        device: torch.device,
        kept: Medium | None,
        *,
        shared: bool,
    ) -> None:
        self._extractions = {
            key: Extraction(extractor, total, device, shared=shared) for key, extractor in extractors.items()
        }
        # Processes exchange tensors of their devices; a single one keeps the samples where there is more room.
        self._place = device if shared else torch.device("cpu")
        self._rows: Rows | None = None
        if kept is not None:
            none = kept.store(torch.empty(0, *kept.shape, device=self._place))
            self._rows = Rows(1, [none], sync_on_compute=shared).to(self._place)

    def run(
        self, parts: Iterable[tuple[int, Tensor]], labels: Tensor | None, advance: Advance
    ) -> tuple[dict[str, FeatureSet], Tensor | None]:
        """Return the set in the features of each extractor, and the samples on the CPU if they are kept.

        Args:
            parts: the first index and the stored samples (B, ...) of this process's parts.
            labels: classes of all samples (total,), if they have any.
            advance: called with the number of samples of each part.
        """
        for first, samples in parts:
            for extraction in self._extractions.values():
                extraction.add(first, samples)
            if self._rows is not None:
                self._rows.update(first, samples.to(self._place))
            advance(len(samples))
        features = {key: extraction.result(labels) for key, extraction in self._extractions.items()}
        return features, None if self._rows is None else self._rows.compute()[0].cpu()
