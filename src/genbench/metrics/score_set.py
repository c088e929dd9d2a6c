"""The scores of an evaluator, and which of them can be computed of a set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genbench.medium import Medium
from genbench.metrics.choosing import choose
from genbench.metrics.extractor_set import ExtractorSet
from genbench.metrics.features import kept_of
from genbench.metrics.material import MAIN, Origin
from genbench.metrics.reference_set import ReferenceSet
from genbench.metrics.score import Score, Setting
from genbench.metrics.scores import make_scores, names_by


class ScoreSet:
    """Scores by `metrics.scores`.

    Args:
        entries: names, or scores that are there already; None for all that are computed by default.
        settings: of the evaluator, among them `likelihood`, which if given requests `bits_per_dim`.

    Raises:
        UserError: there is no such score, or two have a figure of one name.
    """

    def __init__(self, entries: Sequence[str | Score] | None, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        named = [*(entries or ()), *([] if settings["likelihood"] is None else ["bits_per_dim"])]
        self._scores = make_scores([*(names_by("default") if entries is None else ()), *named], settings)
        self._named = {entry if isinstance(entry, str) else entry.name for entry in named}

    def __iter__(self) -> Iterator[Score]:
        """Yield each score."""
        return iter(self._scores)

    @property
    def compare(self) -> bool:
        """Whether one compares with a reference, if it applies."""
        return any(score.needs_reference for score in self)

    def request_none(self) -> None:
        """Take no score for one that was asked for: those that do not apply are left out."""
        self._named = set()

    def add_always(self) -> None:
        """Add the scores that are always computed where they apply, but none that alone would take an extractor."""
        uses_main = any(score.extractor_key == MAIN for score in self if score.needs_features)
        taken = {figure for score in self for figure in score.figures}
        added = [score for score in make_scores(names_by("always"), self._settings) if not taken & {*score.figures}]
        self._scores += [score for score in added if uses_main or not score.needs_features]

    def choose(
        self,
        count: int,
        origin: Origin | None,
        *,
        medium: Medium | None,
        labelled: bool | None,
        captioned: bool,
        extractors: ExtractorSet,
        references: ReferenceSet,
        strict: bool = True,
    ) -> tuple[list[Score], dict[str, str]]:
        """Return the scores to compute of a set, and those that can't be, with the reasons; see `choosing.choose`.

        Args:
            count: samples of the set.
            origin: where they come from; None for given ones.
            medium: what a sample is; None if not known.
            labelled: whether they have classes; None if not known.
            captioned: whether they are conditioned on captions.
            extractors: by which they are seen.
            references: the reference, as far as it is computed.
            strict: whether it is an error if a requested score can't be computed.
        """
        has_targets = origin is not None and origin.targets is not None

        def setting_of(score: Score) -> Setting:
            key = score.extractor_key
            extractor, reference = extractors.get(key), references.get(key)
            unlabelled = score.needs_reference is not None and reference is not None and reference.labels is None
            return Setting(
                generated=kept_of(count) if score.draws else count,
                reference=None if reference is None else len(reference.features),
                dimensions=0 if extractor is None else extractor.feature_dim,
                class_count=0 if extractor is None else extractor.class_count,
                labelled=False if unlabelled else labelled,
                medium=medium,
                method=None if origin is None else origin.method,
                captioned=captioned,
                has_targets=has_targets,
                statistics_only=references.file is not None,
                has_reference=references.offers(key),
            )

        return choose(self, self._named, setting_of, strict=strict)
