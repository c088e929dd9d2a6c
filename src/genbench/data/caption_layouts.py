"""Where people keep the captions of a folder of images: four layouts, each read by a function.

- `metadata`: Hugging Face's imagefolder, `metadata.jsonl` or `metadata.csv` with `file_name` and `text`.
- `pairs`: `x.txt` beside `x.jpg`, a caption a line.
- `coco`: COCO's `captions_*.json` beside its images, or in `annotations/`.
- `text_c10`: Reed et al. (2016) for CUB-200-2011 and Oxford-102, as StackGAN has them: ten captions an image in
  `text_c10/<class>/<image>.txt`. The pickled embeddings that come with them are not read.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from genbench.data.folders import split_folders
from genbench.data.name_lists import read_name_list
from genbench.errors import UserError
from genbench.files import leads_out, parse_json, split_lines
from genbench.text.characters import clean_caption

_NO_CAPTIONS = ("readme", "license", "licence", "classes", "labels")
"""Names of texts that lie among images and are of none."""

Layout = Literal["metadata", "pairs", "coco", "text_c10"]


class Annotated(NamedTuple):
    """What a layout says.

    Attributes:
        images: those that it is about, by their paths within the root.
        texts: the captions of each image that has some.
        splits: of each image, where the layout divides them; else empty.
        strays: what belongs to nothing, in words: captions without an image.
    """

    images: list[str]
    texts: dict[str, list[str]]
    splits: dict[str, str]
    strays: list[str]


def recognise(root: Path, images: list[str]) -> list[Layout]:
    """Return the layouts of which a folder with images has files."""
    return [layout for layout, (is_there, _) in _LAYOUTS.items() if is_there(root, images)]


def read_layout(root: Path, images: list[str], layout: Layout) -> Annotated:
    """Return the captions of a folder.

    Args:
        root: the folder.
        images: all images under it, by their paths within it.
        layout: how it keeps the captions.

    Raises:
        UserError: a file can't be read, or is not what it should be; the message names it.
    """
    return _LAYOUTS[layout][1](root, images)


def _metadata_files(root: Path, images: list[str]) -> list[Path]:
    folders = sorted({folder for image in images for folder in PurePosixPath(image).parents})
    files = (root / folder / name for folder in folders for name in ("metadata.jsonl", "metadata.csv"))
    return [file for file in files if file.is_file()]


def _read_metadata(root: Path, images: list[str]) -> Annotated:
    there = set(images)
    texts: dict[str, list[str]] = {}
    strays: list[str] = []
    for path in _metadata_files(root, images):
        rows = _csv_rows(path) if path.suffix == ".csv" else _jsonl_rows(path)
        for where, row in rows:
            name, own = row.get("file_name"), row.get("text")
            if not isinstance(name, str) or own is None:
                raise UserError(
                    f"{where} has {', '.join(map(str, row)) or 'nothing'}, and must have file_name and text"
                )
            image = (PurePosixPath(path.parent.relative_to(root)) / name).as_posix()
            if leads_out(image):
                raise UserError(f"{where} names {name!r}, which leads out of {root}")
            if image in there:
                texts.setdefault(image, []).extend(_texts(own if isinstance(own, list) else [own], where))
            else:
                strays.append(f"{where} names {name}, which is not there")
    return Annotated(images, texts, {}, strays)


def _jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            where = f"{path}, line {number}"
            row = _parse_json(line, where)
            if not isinstance(row, dict):
                raise UserError(f"{where} is no object with file_name and text")
            yield where, row


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(_read(path), newline=""))
    try:
        for row in reader:
            yield f"{path}, line {reader.line_num}", {key: value for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}, can't be read as CSV: {error}") from error


def _has_pairs(root: Path, images: list[str]) -> bool:
    return any((root / image).with_suffix(".txt").is_file() for image in images)


def _read_pairs(root: Path, images: list[str]) -> Annotated:
    files = {image: (root / image).with_suffix(".txt") for image in images}
    texts = {image: _texts(_lines(file), str(file)) for image, file in files.items() if file.is_file()}
    # Only among images is a text without one a caption that has lost its image.
    folders = sorted({file.parent for file in files.values()})
    there = {file for folder in folders for file in folder.glob("*.txt") if file.stem.lower() not in _NO_CAPTIONS}
    return Annotated(
        images, texts, {}, [f"{file} has no image beside it" for file in sorted(there - {*files.values()})]
    )


def _coco_files(root: Path, images: list[str]) -> list[Path]:
    return sorted(path for folder in (root, root / "annotations") for path in folder.glob("captions_*.json"))


def _read_coco(root: Path, images: list[str]) -> Annotated:
    there = set(images)
    texts: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    strays: list[str] = []
    for path in _coco_files(root, images):
        content, year = _parse_json(_read(path), str(path)), path.stem.removeprefix("captions_")
        try:
            names = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
            captions = [(names[entry["image_id"]], entry["caption"]) for entry in content["annotations"]]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is not a file of COCO's captions, with images and annotations: {error}") from error
        split = next(iter(split_folders([re.sub(r"\d+$", "", year)])), None)
        for name, text in captions:
            places = (f"{year}/{name}", f"images/{year}/{name}", f"images/{name}", name)
            image = next((place for place in places if place in there), None)
            if image is None:
                strays.append(f"{path} names {name}, which is not there, neither as {' nor as '.join(places)}")
                continue
            texts.setdefault(image, []).extend(_texts([text], f"{path}, of {name}"))
            if split is not None:
                splits[image] = split
    # The images of COCO's test splits have no captions, and lie beside the others.
    folders = {PurePosixPath(image).parent for image in texts}
    return Annotated([image for image in images if PurePosixPath(image).parent in folders], texts, splits, strays)


def _read_text_c10(root: Path, images: list[str]) -> Annotated:
    # Birds are images/<class>/<image>.jpg, here or in CUB_200_2011, and flowers jpg/<image>.jpg, without classes.
    # Their segmentations, if they are there too, have no captions.
    images = [image for image in images if {"images", "jpg"} & set(PurePosixPath(image).parts[:-1])] or images
    by_name = {(PurePosixPath(image).parent.name, PurePosixPath(image).stem): image for image in images}
    texts: dict[str, list[str]] = {}
    classes: dict[str, str] = {}
    strays: list[str] = []
    for file in sorted((root / "text_c10").glob("*/*.txt")):
        image = by_name.get((file.parent.name, file.stem)) or by_name.get(("jpg", file.stem))
        if image is None:
            strays.append(f"{file} has no image, neither {file.parent.name}/{file.stem}.* nor jpg/{file.stem}.*")
            continue
        texts[image], classes[image] = _texts(_lines(file), str(file)), file.parent.name
    return Annotated(images, texts, _divided_as_in_the_paper(root, classes), strays)


def _divided_as_in_the_paper(root: Path, classes: dict[str, str]) -> dict[str, str]:
    """Return the splits by StackGAN's lists of images, or by Reed's lists of classes; {} where there is neither."""
    by_image: dict[tuple[str, ...], str] = {}
    by_class: dict[str, str] = {}
    for split, list_of_classes in (("train", "trainvalclasses.txt"), ("test", "testclasses.txt")):
        if (pickled := root / split / "filenames.pickle").is_file():
            by_image |= {tuple(name.split("/")[-2:]): split for name in read_name_list(pickled)}
        if (listed := root / list_of_classes).is_file():
            by_class |= {line.strip(): split for line in _lines(listed) if line.strip()}
    if by_image:
        keys = {image: (PurePosixPath(image).parent.name, PurePosixPath(image).stem) for image in classes}
        return {image: by_image[key] for image, key in keys.items() if key in by_image}
    return {image: by_class[name] for image, name in classes.items() if name in by_class}


_LAYOUTS: dict[Layout, tuple[Callable[[Path, list[str]], object], Callable[[Path, list[str]], Annotated]]] = {
    "metadata": (_metadata_files, _read_metadata),
    "pairs": (_has_pairs, _read_pairs),
    "coco": (_coco_files, _read_coco),
    "text_c10": (lambda root, images: (root / "text_c10").is_dir(), _read_text_c10),
}


def _texts(lines: list[Any], where: str) -> list[str]:
    """Return the captions among lines, of which some may be empty, but not all."""
    if not all(isinstance(line, str) for line in lines):
        raise UserError(f"{where} has a caption that is no text")
    try:
        texts = [clean_caption(line) for line in lines]
    except ValueError as error:
        raise UserError(f"{where} {error}") from error
    if not any(texts):
        raise UserError(f"{where} has an empty caption")
    return [text for text in texts if text]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a text file: {error}") from error


def _lines(path: Path) -> list[str]:
    return split_lines(_read(path))


def _parse_json(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{where} can't be read as JSON: {error}") from error
