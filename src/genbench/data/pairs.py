"""Pairs of images, stored in one array with the channels of B after those of A."""

from genbench.conditions.source_images import SourceImages
from genbench.data.store import Channels, Rows, SampleStore


def paired_store(pairs: Rows, *, target_first: bool) -> SampleStore:
    """Return targets (N, C, H, W) conditioned on their sources.

    Args:
        pairs: uint8, (N, 2C, H, W).
        target_first: whether the first C channels are the targets.
    """
    channels = pairs.shape[1] // 2
    first, second = Channels(pairs, 0, channels), Channels(pairs, channels, 2 * channels)
    targets, sources = (first, second) if target_first else (second, first)
    return SampleStore(targets, sources, condition=SourceImages(sources.shape[1:]))
