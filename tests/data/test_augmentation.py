"""Mirroring and jitter: what they do to an image, and that pairs stay pairs."""

import pytest
import torch

from genbench.conditions.source_images import SourceImages
from genbench.data.augmentation import Augmentation, Variation
from genbench.data.loader import BatchLoader
from genbench.data.store import SampleStore, UnpairedStore
from genbench.errors import UserError


def ramp(side: int) -> torch.Tensor:
    """Return an image (1, 1, side, side) that grows from left to right and, more slowly, downwards."""
    line = torch.linspace(-0.9, 0.9, side)
    return (0.7 * line + 0.3 * line[:, None]).view(1, 1, side, side)


def test_jitter_cuts_the_enlarged_image_at_its_corner() -> None:
    image = ramp(16)
    larger = torch.nn.functional.interpolate(image, (20, 20), mode="bicubic").clamp(-1, 1)
    for corner, (y, x) in (([0.0, 0.0], (0, 0)), ([0.99, 0.0], (4, 0)), ([0.5, 0.99], (2, 4))):
        cut = Variation(corners=torch.tensor([corner]), jitter=4).apply(image)
        torch.testing.assert_close(cut, larger[..., y : y + 16, x : x + 16])


def test_every_place_is_as_likely() -> None:
    corners = Augmentation(jitter=3).draw(torch.Size([4000]), seed=0, epoch=0).corners
    assert corners is not None
    counts = torch.bincount((corners * 4).long().flatten(), minlength=4)
    assert counts.sum() == 8000
    assert (counts - 2000).abs().max() < 200


def test_pairs_are_varied_alike_and_two_domains_each_by_itself() -> None:
    images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changed = Augmentation(flip=True, jitter=4)
    pairs = SampleStore(images, images, condition=SourceImages((1, 8, 8)))
    for image, condition in BatchLoader(pairs, 8, augmentation=changed):
        torch.testing.assert_close(image, condition)
    same = images[:1].repeat(40, 1, 1, 1)
    image, condition = next(iter(BatchLoader(UnpairedStore(same, same), 40, augmentation=changed)))
    assert condition is not None
    differ = (image != condition).flatten(1).any(1)
    assert differ.double().mean() > 0.8


def test_a_loader_goes_on_with_the_same_places() -> None:
    images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def epochs(start: int) -> list[torch.Tensor]:
        loader = BatchLoader(SampleStore(images), 8, augmentation=Augmentation(jitter=4), start_step=start)
        return [batch.x for _ in range(2) for batch in loader]

    whole, rest = epochs(0), epochs(3)
    assert all(torch.equal(one, two) for one, two in zip(whole[3:], rest, strict=False))
    assert not torch.equal(whole[0], whole[5])


def test_a_negative_jitter_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.jitter"):
        Augmentation(jitter=-1)
