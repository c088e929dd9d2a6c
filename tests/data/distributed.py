"""Data sets in the formats in which they are distributed, made of crops of scikit-learn's two photographs."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

ATTRIBUTES = ["Eyeglasses", "Male", "Smiling", "Young"]


@cache
def photographs() -> list[Image.Image]:
    """Return a temple and a flower, 640 x 427."""
    return [Image.fromarray(image) for image in load_sample_images().images]


def crop(index: int, width: int, height: int) -> Image.Image:
    """Return a crop that depends on the index."""
    generator = np.random.default_rng(index)
    photograph = photographs()[index % 2]
    scale = max(width / 640, height / 427, generator.uniform(0.6, 1.0))
    photograph = photograph.resize((max(width, round(640 * scale)), max(height, round(427 * scale))))
    left = int(generator.integers(photograph.width - width + 1))
    top = int(generator.integers(photograph.height - height + 1))
    return photograph.crop((left, top, left + width, top + height))


def encode(image: Image.Image, kind: str = "JPEG", quality: int = 75) -> bytes:
    """Return an image file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def write_lmdb(folder: Path, values: list[bytes]) -> Path:
    """Write LSUN's kind of LMDB: hexadecimal keys of 40 characters, image files as values."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 34) as environment, environment.begin(write=True) as transaction:
        for index, value in enumerate(values):
            transaction.put(lsun_key(index).encode(), value)
    return folder


def lsun_key(index: int) -> str:
    """Return the key of a record; keys are in LMDB's order."""
    return f"{index:08x}" + "5bf2" * 8


def lsun_values(count: int) -> list[bytes]:
    """Return JPEGs and WebPs with a short side of 256, as LSUN has them."""
    sizes = [(341, 256), (256, 341), (256, 256), (401, 256)]
    return [encode(crop(index, *sizes[index % 4]), ("WEBP", "JPEG")[index % 2]) for index in range(count)]


def make_lsun(root: Path, train: int = 24, test: int = 6, category: str = "bedroom") -> Path:
    """Write a category's two LMDBs."""
    values = lsun_values(train + test)
    write_lmdb(root / f"{category}_train_lmdb", values[:train])
    write_lmdb(root / f"{category}_val_lmdb", values[train:])
    return root


def zip_folder(folder: Path) -> Path:
    """Replace a folder by its zip, as LSUN distributes them."""
    target = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
            file.unlink()
    folder.rmdir()
    return target


def face(index: int) -> bytes:
    """Return a JPEG of CelebA's size."""
    return encode(crop(index, 178, 218))


def make_celeba(root: Path, count: int = 20, zipped: bool = True, images: Callable[[int], bytes] = face) -> Path:
    """Write CelebA's images, three quarters of them training images, with attributes and partition."""
    root.mkdir(parents=True, exist_ok=True)
    files = {f"{index + 1:06d}.jpg": images(index) for index in range(count)}
    if zipped:
        with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(f"img_align_celeba/{name}", content)
    else:
        (root / "img_align_celeba").mkdir()
        for name, content in files.items():
            (root / "img_align_celeba" / name).write_bytes(content)
    rows = [
        f"{name} " + " ".join(" 1" if attribute_of(index, column) else "-1" for column in range(len(ATTRIBUTES)))
        for index, name in enumerate(files)
    ]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(count), " ".join(ATTRIBUTES), *rows]) + "\n")
    partition = [f"{name} {(0, 0, 0, 0, 0, 0, 1, 2)[index % 8]}" for index, name in enumerate(files)]
    (root / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return root


def attribute_of(index: int, column: int) -> int:
    """Return attribute `column` of image `index`."""
    return (index >> column) & 1


def make_cifar10(root: Path, per_batch: int = 8, archive: bool = False) -> Path:
    """Write CIFAR-10's batches, pickled as Python 2 did it: bytes as keys, protocol 2."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        images = [np.asarray(crop(number * per_batch + index, 32, 32)) for index in range(per_batch)]
        data = np.stack([image.transpose(2, 0, 1).reshape(-1) for image in images])
        labels = [(number + index) % 10 for index in range(per_batch)]
        with (folder / name).open("wb") as file:
            pickle.dump({b"batch_label": name.encode(), b"labels": labels, b"data": data}, file, protocol=2)
    if archive:
        with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as tar:
            tar.add(folder, folder.name)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return root


def make_folder(folder: Path, count: int, kind: str = "PNG", size: tuple[int, int] = (48, 40), first: int = 0) -> Path:
    """Write a folder of images."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        (folder / f"{index:04d}.{kind.lower()}").write_bytes(encode(crop(index, *size), kind))
    return folder


def make_pairs(root: Path, splits: tuple[str, ...] = ("train", "val", "test"), count: int = 5) -> Path:
    """Write pix2pix's layout: A is a crop, B beside it is the crop upside down."""
    for number, split in enumerate(splits):
        (root / split).mkdir(parents=True)
        for index in range(count):
            left = crop(number * count + index, 48, 48)
            pair = Image.new("RGB", (96, 48))
            pair.paste(left, (0, 0))
            pair.paste(left.transpose(Image.Transpose.FLIP_TOP_BOTTOM), (48, 0))
            pair.save(root / split / f"{index}.png")
    return root
