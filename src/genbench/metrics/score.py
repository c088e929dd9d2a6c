"""What a score is: how its figures are called, what it needs, and how it computes them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from genbench.abilities import Draws, EmbedsTexts
from genbench.medium import Medium
from genbench.metrics.material import MAIN, Material
from genbench.score_names import ROOM, Better, announce


@dataclass(frozen=True)
class Setting:
    """What is known about a set and its reference before any sample is drawn.

    Attributes:
        generated: samples of the set whose features are kept.
        reference: the same for the reference; None if not known yet.
        dimensions: of a feature vector.
        class_count: classes that the extractor knows.
        labelled: whether the samples, and the reference where there is one, have classes; None if not known yet.
        medium: what a sample is; None if it does not matter.
        method: what draws the samples; None for given ones.
        captioned: whether the samples are conditioned on captions.
        has_targets: whether each sample has a target, as a translation of paired data has.
        statistics_only: whether the reference is a mean and a covariance alone.
        has_reference: whether there can be a reference in the features of the score's extractor.
    """

    generated: int
    reference: int | None
    dimensions: int
    class_count: int
    labelled: bool | None
    medium: Medium | None = None
    method: Any = None
    captioned: bool = False
    has_targets: bool = False
    statistics_only: bool = False
    has_reference: bool = True


class Score(ABC):
    """One score, of one or more figures: a file of `metrics.scores`, or a class of a plug-in.

    Its settings are arguments of its constructor. A score of GenBench's own is given those of the `Evaluator` that it
    asks for by name; one that is chosen by a `_target_` has its settings there. Class attributes say what it needs.

    Attributes:
        figures: its figures, and which end of each is better, None for neither; a literal, which is read from the
            source. `NAME_std`, the standard error or deviation of a figure, need not be listed.
        chosen: "default": computed where `metrics.scores` is null; "named": only where it is named there; "always":
            also where others are named, by `evaluate`.
        extractor: a file of `metrics.extractors` if it is always by that one; else it is by `metrics.extractor`.
        needs_features: whether it takes the samples' features.
        needs_reference: whether it takes the reference, and what of it: mean and covariance, or each image's features.
        needs_samples: whether it takes the samples themselves.
        needs_labels: whether it takes the classes that samples were conditioned on.
        needs_captions: whether it takes the captions that samples were conditioned on.
        needs_targets: whether it takes the target of each sample.
        needs_method: whether it takes the method, and so can't be computed of given images.
        least: the fewest samples, and images of the reference if it takes their features.
    """

    figures: ClassVar[dict[str, Better]]
    chosen: ClassVar[Literal["default", "named", "always"]] = "default"
    extractor: ClassVar[str | None] = None
    needs_features: ClassVar[bool] = False
    needs_reference: ClassVar[Literal["statistics", "features"] | None] = None
    needs_samples: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False
    needs_captions: ClassVar[bool] = False
    needs_targets: ClassVar[bool] = False
    needs_method: ClassVar[bool] = False
    least: int = 0
    hint: ClassVar[str] = ""
    """The setting that `least` depends on, in brackets, for messages."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Make its figures known to whoever meets their names in a run, such as the checkpoint of the best."""
        super().__init_subclass__(**keywords)
        announce(getattr(cls, "figures", {}))

    @property
    def name(self) -> str:
        """The name of its file in `metrics.scores`; of a plug-in's the whole name of its class."""
        package, _, file = type(self).__module__.rpartition(".")
        return file if package == ROOM else f"{type(self).__module__}.{type(self).__qualname__}"

    @property
    def extractor_key(self) -> str:
        """The extractor that its features are from, as `Material` has it."""
        return self.extractor or MAIN

    @property
    def draws(self) -> bool:
        """Whether samples must be drawn for it."""
        return self.needs_features or self.needs_samples

    @property
    def of_real_images(self) -> bool:
        """Whether it can be computed of real images, which nobody drew."""
        return not (self.needs_targets or self.needs_method)

    @abstractmethod
    def compute(self, material: Material) -> dict[str, float]:
        """Return its figures.

        Raises:
            ValueError: they can't be computed; the message is the reason that is printed.
        """

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return what its figures depend on besides the set, the extractor, the reference and the evaluator's settings.

        It becomes a part of the protocol once the figures are computed.
        """
        return {}

    def check(self, material: Material) -> None:
        """Check what is known before samples are drawn: their conditions, and where they will come from.

        Raises:
            UserError: the score can't be computed, and not because it does not apply.
        """
        return

    def unsuited(self, setting: Setting) -> str | None:
        """Return why it does not apply, however many samples there are; None if it does."""
        if self.needs_method and setting.method is None:
            return "it takes a run, not images that are there already"
        if self.draws and isinstance(setting.method, EmbedsTexts) and not isinstance(setting.method, Draws):
            return "it takes a method that draws samples"
        if self.needs_targets and not setting.has_targets:
            return "it takes a target of each sample, as a method has that translates paired images"
        if self.needs_labels and setting.labelled is False:
            return "it takes a conditional method and a reference with classes"
        if self.needs_captions and not setting.captioned:
            return "it takes a method that is conditioned on captions"
        return None

    def too_few(self, setting: Setting) -> str | None:
        """Return why it can't be computed from so many samples or such a reference; None if it can."""
        if self.needs_reference and not setting.has_reference:
            return "it takes a reference in features of its own, and metrics.reference is by metrics.extractor"
        if self.needs_reference == "features" and setting.statistics_only:
            return "it takes the features of the reference's images, and a file of statistics has none"
        if not self.needs_reference:
            if setting.generated >= self.least:
                return None
            return f"it takes at least {self.least:,} samples, and there are {setting.generated:,}"
        reference = None if setting.statistics_only else setting.reference
        if min(setting.generated, self.least if reference is None else reference) >= self.least:
            return None
        real = "" if reference is None else f" and {reference:,} real images"
        return f"it takes at least {self.least:,} of each{self.hint}, and there are {setting.generated:,} samples{real}"


def binomial_std(fraction: float, count: int) -> float:
    """Return the standard error of a fraction of `count` independent samples."""
    return (fraction * (1 - fraction) / count) ** 0.5


def mean_with_error(name: str, values: Tensor) -> dict[str, float]:
    """Return the mean of numbers (N,) under a name, and its standard error; one number has no error."""
    error = values.std() / len(values) ** 0.5 if len(values) > 1 else 0
    return {name: float(values.mean()), f"{name}_std": float(error)}
