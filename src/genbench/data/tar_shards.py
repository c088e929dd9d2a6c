"""WebDataset's shards: tar files in which an image and its caption lie one after the other under the same name.

They are read by the package `webdataset`, from the first byte to the last, so they may also come over the network.
"""

import glob
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from genbench.data.folders import natural_order
from genbench.data.prepare import OnError
from genbench.errors import UserError, first_line

_IMAGES = ("jpg", "jpeg", "png", "webp")
_CAPTION_KEYS = ("caption", "captions", "text")
"""Those of a record's JSON of which the first that is there is the caption, or a list of them."""

_URL = re.compile(r"https?://[^\s']+")


class Record(NamedTuple):
    """An image with its captions.

    Attributes:
        key: its name in the shard.
        shard: path or address of the shard.
        image: the encoded image.
        texts: its captions; at least one.
    """

    key: str
    shard: str
    image: bytes
    texts: list[str]


def is_url(path: str) -> bool:
    """Whether a path is an address on the network."""
    return _URL.fullmatch(path) is not None


def list_shards(pattern: str, key: str = "data.root") -> list[str]:
    """Return the shards that a folder, a file or a pattern means, in natural order, without repetition.

    Args:
        pattern: a folder of .tar files, a .tar, a pattern with `*`, or one with braces such as `{0000..0099}.tar`; this
            one may be an address on the network.
        key: the setting, for messages.

    Raises:
        UserError: there are none.
    """
    found: list[str] = []
    for one in map(str, _webdataset().shardlists.expand_urls(pattern)):
        path = Path(one)
        if is_url(one):
            found.append(one)
        elif "://" in one:
            raise UserError(f"{key}={pattern}: shards are files, or at an address that begins with http:// or https://")
        elif path.is_dir():
            found += map(str, path.glob("*.tar"))
        elif path.is_file():
            found.append(one)
        else:
            found += [file for file in glob.glob(one) if Path(file).is_file()]
    if not found:
        raise UserError(
            f"{key}={pattern} has no shard: give a folder of .tar files, or a pattern such as shards-{{0000..0099}}.tar"
        )
    return sorted(set(found), key=natural_order)


def read_records(shard: str, on_error: OnError, leave_out: Callable[[str], None]) -> Iterator[Record]:
    """Yield the records of a shard in order.

    Args:
        shard: its path or address.
        on_error: whether a damaged shard or a record without image or caption ends it, or is left out.
        leave_out: called with each that is left out, in words.

    Raises:
        UserError: something is damaged; the message names it.
    """
    samples = _samples(shard)
    while True:
        try:
            sample = next(samples, None)
        except Exception as error:  # a damaged tar can raise anything
            _refuse(f"{shard} can't be read: {first_line(error)}", on_error, leave_out)
            return
        if sample is None:
            return
        try:
            image, texts = _image_of(sample), _texts_of(sample)
        except ValueError as error:
            _refuse(f"{sample['__key__']} of {shard} {error}", on_error, leave_out)
            continue
        yield Record(sample["__key__"], shard, image, texts)


def _refuse(what: str, on_error: OnError, leave_out: Callable[[str], None]) -> None:
    if on_error == "stop":
        raise UserError(f"{what}; mend it, or set data.on_error=skip to leave such out")
    leave_out(what)


def _samples(shard: str) -> Iterator[dict[str, Any]]:
    tariterators = _webdataset().tariterators
    if is_url(shard):
        yield from tariterators.tarfile_samples(iter([{"url": shard}]))
        return
    with open(shard, "rb") as stream:
        files = tariterators.tar_file_expander(iter([{"url": shard, "stream": stream}]))
        yield from tariterators.group_by_keys(files)


def _image_of(sample: dict[str, Any]) -> bytes:
    for ending in _IMAGES:
        if ending in sample:
            return bytes(sample[ending])
    raise ValueError(f"has no image ({', '.join(_IMAGES)})")


def _texts_of(sample: dict[str, Any]) -> list[str]:
    """Return the captions: the lines of .txt, or what .json has under a key of captions."""
    if "txt" in sample:
        lines: Any = _decoded(sample["txt"], "txt").splitlines()
    elif "json" in sample:
        content = _parsed(_decoded(sample["json"], "json"))
        lines = next((content[key] for key in _CAPTION_KEYS if key in content), []) if isinstance(content, dict) else []
        lines = lines if isinstance(lines, list) else [lines]
    else:
        raise ValueError("has no caption (txt, json)")
    texts = [" ".join(line.replace("\0", " ").split()) for line in lines if isinstance(line, str)]
    if len(texts) < len(lines) or not any(texts):
        raise ValueError(f"has no caption in its {'txt' if 'txt' in sample else f'json under {_CAPTION_KEYS}'}")
    return [text for text in texts if text]


def _decoded(content: bytes, ending: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"has a {ending} that is no UTF-8") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"has a json that can't be read: {error}") from error


def _webdataset() -> Any:
    try:
        import webdataset.shardlists
        import webdataset.tariterators
    except ImportError as error:
        raise UserError("data=captioned_shards takes webdataset: pip install 'genbench[shards]'") from error
    return webdataset
