"""Prepared pixels beside those of torchvision's transforms on Pillow images, which is what papers' code uses."""

import io

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from genbench.data.preparation import Preparation
from genbench.errors import UserError
from tests.data.distributed import crop, encode

SIZES = [(178, 218), (341, 256), (256, 341), (257, 256), (300, 91), (64, 64), (40, 50)]
MODES = {
    "box": InterpolationMode.BOX,
    "bilinear": InterpolationMode.BILINEAR,
    "hamming": InterpolationMode.HAMMING,
    "bicubic": InterpolationMode.BICUBIC,
    "lanczos": InterpolationMode.LANCZOS,
}


@pytest.mark.parametrize("width_height", SIZES)
@pytest.mark.parametrize("name", MODES)
def test_resize_then_crop_is_torchvisions(width_height: tuple[int, int], name: str) -> None:
    image = crop(3, *width_height)
    expected = transforms.Compose([transforms.Resize(64, MODES[name]), transforms.CenterCrop(64)])(image)
    np.testing.assert_array_equal(Preparation(64, "resize_then_crop", name).fit(image), np.asarray(expected))


@pytest.mark.parametrize("side", [178, 140, 108, 101])
def test_a_number_crops_as_torchvision_does(side: int) -> None:
    image = crop(5, 178, 218)
    expected = transforms.Compose([transforms.CenterCrop(side), transforms.Resize((64, 64))])(image)
    np.testing.assert_array_equal(Preparation(64, side).fit(image), np.asarray(expected))


@pytest.mark.parametrize("width_height", SIZES)
def test_crop_then_resize_takes_the_largest_square(width_height: tuple[int, int]) -> None:
    image = crop(4, *width_height)
    expected = transforms.CenterCrop(min(width_height))(image).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(Preparation(32, "crop_then_resize", "lanczos").fit(image), np.asarray(expected))


def test_the_official_celeba_crops_lie_where_the_papers_have_them() -> None:
    """DCGAN's 108 begins at row 55, column 35; score_sde's 140 at 39, 19; 178 at 20, 0."""
    rows, columns = np.mgrid[:218, :178].astype(np.uint8)
    image = Image.fromarray(np.stack([rows, columns, rows], axis=2))
    for side, first in [(108, (55, 35)), (140, (39, 19)), (178, (20, 0))]:
        pixels = Preparation(side, side).fit(image)
        assert tuple(pixels[0, 0, :2]) == first


def test_grey_palette_and_cmyk_images_are_converted() -> None:
    image = crop(1, 40, 40)
    for mode, kind in [("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("1", "PNG")]:
        content = encode(image.convert(mode), kind, 95)
        with Image.open(io.BytesIO(content)) as stored:
            expected = np.asarray(stored.convert("RGB"))
        np.testing.assert_array_equal(Preparation(40)(content), expected)
    grey = Preparation(40, channels=1)(encode(image, "PNG"))
    np.testing.assert_array_equal(grey[:, :, 0], np.asarray(image.convert("L")))


def test_what_can_not_be_read_says_why() -> None:
    whole = encode(crop(2, 64, 64))
    sixteen = Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16))
    for content, reason in [
        (b"", "empty"),
        (whole[: len(whole) // 2], "truncated"),
        (b"not an image", "cannot identify"),
        (encode(sixteen, "PNG"), "8 bits"),
    ]:
        with pytest.raises((ValueError, OSError), match=reason):
            Preparation(16)(content)
    with pytest.raises(ValueError, match="64 x 64 pixels, less than the crop of 108"):
        Preparation(16, 108)(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((4,), "size"), ((32, "middle"), "crop"), ((32, 0), "crop"), ((32, 178, "cubic"), "filter"), ((32, True), "crop")],
)
def test_recipes_that_do_not_exist(arguments: tuple, message: str) -> None:
    with pytest.raises(UserError, match=f"data.{message}"):
        Preparation(*arguments)
