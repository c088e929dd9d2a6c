"""Pairs of images, stored in one array with the channels of B behind those of A."""

from genbench.data.store import Channels, Images, ImageStore


def paired_store(pairs: Images, *, target_first: bool) -> ImageStore:
    """Return targets (N, C, H, W) conditioned on their sources.

    Args:
        pairs: uint8, (N, 2C, H, W).
        target_first: whether the first C channels are the targets.
    """
    channels = pairs.shape[1] // 2
    first, second = Channels(pairs, 0, channels), Channels(pairs, channels, 2 * channels)
    return ImageStore(first, second) if target_first else ImageStore(second, first)
