"""Prepared pixels beside those of torchvision's transforms on Pillow images, which is what papers' code uses."""

import io
import struct
import zlib

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


def png(depth: int, colour: int, channels: int) -> bytes:
    """Return a PNG of 16 x 16 pixels of zeros, of a depth and kind that Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 16, 16, depth, colour, 0, 0, 0)
    rows = zlib.compress(bytes(16 * (1 + 16 * channels * depth // 8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(depth: int, channels: int, sample_format: int = 1) -> bytes:
    """Return a TIFF of 16 x 16 pixels of zeros."""
    size = 16 * 16 * channels * depth // 8
    first_value = 8 + 2 + 12 * 10 + 4
    tags = [
        (256, 3, 1, 16), (257, 3, 1, 16), (258, 3, channels, first_value if channels > 2 else depth), (259, 3, 1, 1),
        (262, 3, 1, 2 if channels > 2 else 1), (273, 4, 1, first_value + 8), (277, 3, 1, channels), (278, 3, 1, 16),
        (279, 4, 1, size), (339, 3, 1, sample_format),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    depths = struct.pack("<4H", depth, depth, depth, depth)
    return b"II*\0" + struct.pack("<IH", 8, 10) + entries + struct.pack("<I", 0) + depths + bytes(size)


def netpbm(magic: str, largest: int) -> bytes:
    """Return a picture of 16 x 16 pixels of zeros."""
    channels = 3 if magic in ("P3", "P6") else 1
    header = f"{magic}\n16 16\n{largest}\n".encode()
    if magic in ("P2", "P3"):
        return header + b"0 " * (16 * 16 * channels)
    return header + bytes(16 * 16 * channels * (2 if largest > 255 else 1))


@pytest.mark.parametrize(
    ("content", "bits"),
    [
        (png(16, 2, 3), 16),
        (png(16, 0, 1), 16),
        (png(16, 4, 2), 16),
        (png(16, 6, 4), 16),
        (netpbm("P6", 65535), 16),
        (netpbm("P6", 4095), 12),
        (netpbm("P6", 256), 9),
        (netpbm("P5", 65535), 16),
        (netpbm("P5", 1023), 10),
        (netpbm("P3", 65535), 16),
        (netpbm("P2", 1000), 10),
        (tiff(16, 3), 16),
        (tiff(16, 4), 16),
        (tiff(16, 1), 16),
        (tiff(32, 1, 3), 32),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_more_than_eight_bits_a_channel_are_refused(content: bytes, bits: int, channels: int) -> None:
    with pytest.raises(ValueError, match=f"it has {bits} bits per channel, and only images of 8 bits"):
        Preparation(16, channels=channels)(content)


@pytest.mark.parametrize(
    "content",
    [
        png(8, 2, 3),
        png(8, 0, 1),
        png(8, 4, 2),
        png(8, 6, 4),
        png(1, 0, 1),
        netpbm("P6", 255),
        netpbm("P6", 63),
        netpbm("P5", 255),
        netpbm("P3", 255),
        tiff(8, 3),
        tiff(8, 1),
    ],
)
def test_up_to_eight_bits_a_channel_are_read(content: bytes) -> None:
    assert (Preparation(16)(content) == 0).all()


def test_formats_that_pillow_would_reduce_or_run_are_not_opened() -> None:
    for content in (encode(crop(1, 16, 16), "JPEG2000"), encode(crop(1, 16, 16), "TGA"), b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        with pytest.raises(ValueError, match="cannot identify it as an image of the formats BMP, GIF, JPEG"):
            Preparation(16)(content)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((4,), "size"), ((32, "middle"), "crop"), ((32, 0), "crop"), ((32, 178, "cubic"), "filter"), ((32, True), "crop")],
)
def test_recipes_that_do_not_exist(arguments: tuple, message: str) -> None:
    with pytest.raises(UserError, match=f"data.{message}"):
        Preparation(*arguments)
