"""What stands under the images of a grid."""

import torch

from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.data.cifar10 import CIFAR10
from genbench.data.digits import Digits
from genbench.figures.captions import under_conditions, with_captions
from genbench.figures.grid import make_grid, place_beside


def test_each_image_has_its_own_words_below_it() -> None:
    images = torch.randint(0, 255, (3, 3, 28, 28), dtype=torch.uint8)
    shown = with_captions(images, ["0 cat", "1 dog", "0 cat"])
    assert shown.shape == (3, 3, 56 + 14, 56)
    assert torch.equal(shown[:, :, :56], images.repeat_interleave(2, 2).repeat_interleave(2, 3))
    strips = shown[:, :, 56:]
    assert torch.equal(strips[0], strips[2])
    assert not torch.equal(strips[0], strips[1])
    assert (strips.amin((1, 2, 3)) < 100).all()
    # The grid enlarges them no more.
    assert make_grid(shown, 3).shape == (3, 74, 3 * 58 + 2)


def test_words_that_are_too_long_or_strange_are_no_failure() -> None:
    images = torch.zeros(3, 1, 64, 64, dtype=torch.uint8)
    shown = with_captions(images, ["12 " + "very " * 50, "Käfer 甲虫", ""])
    # In at most eight lines.
    assert shown.shape == (3, 1, 64 + 8 * 14, 64)
    assert (shown[2, :, 64:] == 255).all()


def test_classes_are_named_by_number_and_name() -> None:
    labels = torch.tensor([3, 0])
    assert CIFAR10(root="").condition.describe(labels) == ["3: cat", "0: airplane"]
    assert Digits().condition.describe(labels) == ["3", "0"]
    pictures = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    with_names = under_conditions(pictures, Conditions(Digits().condition, labels))
    assert torch.equal(with_names, with_captions(pictures, ["3", "0"]))


def test_without_words_pictures_stay_and_sources_stand_beside_them() -> None:
    pictures = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert under_conditions(pictures, None) is pictures
    sources = Conditions(SourceImages((1, 8, 8)), torch.full((2, 1, 8, 8), 200, dtype=torch.uint8))
    assert sources.describe() is None
    assert torch.equal(under_conditions(pictures, sources), place_beside(sources.rows, pictures))


def test_what_is_left_out_is_shown_by_dots() -> None:
    image = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    cut, whole = ("very " * 60, "very " * 16)
    # The last of the lines that fit ends otherwise than the same line of a text that ends there.
    lines = [with_captions(image, [text])[0, 0, 64 + 7 * 14 :] for text in (cut, whole)]
    assert not torch.equal(*lines)
