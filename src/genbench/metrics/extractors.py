"""Extractors by name."""

from genbench.errors import UserError
from genbench.metrics.digit_classifier import load_digit_classifier
from genbench.metrics.extractor import Extractor


def load_extractor(name: str, weights: str | None = None) -> Extractor:
    """Return an extractor by its name.

    Args:
        name: "digits", "inception", "clip" or "dinov2".
        weights: file of the weights; see `inception` and `vision`.

    Raises:
        UserError: there is no such extractor, or its weights are not available.
    """
    if name == "digits":
        if weights is not None:
            raise UserError("metrics.weights is for metrics.extractor=inception: the digit classifier has its own")
        return load_digit_classifier()
    if name == "inception":
        from genbench.metrics.inception import Inception  # torch-fidelity takes a second to import

        return Inception(weights)
    if name in ("clip", "dinov2"):
        from genbench.metrics.vision import Vision  # as above

        return Vision(name, weights)
    raise UserError(f"metrics.extractor must be digits, inception, clip or dinov2, not {name!r}")
