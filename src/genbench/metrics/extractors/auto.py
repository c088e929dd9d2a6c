"""Digits for grey images, Inception for others, coordinates for what is no image."""

from genbench.medium import Images, Medium
from genbench.metrics.extractor import Extractor
from genbench.metrics.extractors import coordinates, digits


def load(medium: Medium, weights: str | None = None) -> Extractor:
    """Return the extractor that suits the samples.

    Args:
        medium: what a sample is.
        weights: file of Inception's weights; see `inception`.

    Raises:
        UserError: weights are given to an extractor that takes none, or Inception's are not available.
    """
    if not isinstance(medium, Images):
        return coordinates.load(medium)
    if medium.shape[0] == 1:
        return digits.load(weights)
    from genbench.metrics.extractors import inception  # torch-fidelity takes a second to import

    return inception.load(weights)
