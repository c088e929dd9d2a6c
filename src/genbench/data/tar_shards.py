"""WebDataset's shards: tar files in which an image and its caption lie one after the other under the same name.

They are read from the first byte to the last, so they may also come over the network; the package `webdataset` opens
addresses, expands braces and groups the files of a record.
"""

import glob
import re
import tarfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from genbench.data.folders import natural_order
from genbench.data.prepare import OnError
from genbench.errors import UserError, first_line
from genbench.files import parse_json, split_lines
from genbench.text.characters import clean_caption, is_encodable

_IMAGES = ("jpg", "jpeg", "png", "webp")
_CAPTION_KEYS = ("caption", "captions", "text")
"""Those of a record's JSON of which the first that is there is the caption, or a list of them."""

_URL = re.compile(r"https?://[^\s']+")
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)(?:\.\.-?\d+)?\}")
_MOST = 100_000
"""Shards that a pattern with braces may name; the largest public data sets have fewer."""
_META = re.compile(r"__[^/]*__($|/)")
"""Members that say something about the shard."""


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
        UserError: there are none, or the pattern can't be expanded.
    """
    found: list[str] = []
    for one in _expanded(pattern, key):
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
    damage: list[Exception] = []
    samples = _webdataset().tariterators.group_by_keys(_until_damage(shard, damage))
    while True:
        try:
            sample = next(samples, None)
        except ValueError as error:  # a member that is there twice
            _refuse(f"{shard} can't be read: {first_line(error)}", on_error, leave_out)
            return
        if sample is None:
            break
        try:
            if not is_encodable(sample["__key__"]):
                raise ValueError("has a name that is no UTF-8")
            image, texts = _image_of(sample), _texts_of(sample)
        except ValueError as error:
            if damage:
                # The rest of this record lies in what is damaged.
                break
            name = sample["__key__"].encode(errors="backslashreplace").decode()
            _refuse(f"{name} of {shard} {error}", on_error, leave_out)
            continue
        yield Record(sample["__key__"], shard, image, texts)
    if damage:
        _refuse(f"{shard} can't be read: {first_line(damage[0])}", on_error, leave_out)


def _refuse(what: str, on_error: OnError, leave_out: Callable[[str], None]) -> None:
    if on_error == "stop":
        raise UserError(f"{what}; mend it, or set data.on_error=skip to leave such out")
    leave_out(what)


class _Header(tarfile.TarInfo):
    """The header of a member; Python's own takes a damaged or missing one for the end of the shard."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            where = f"it is damaged or cut short at byte {archive.offset:,}"
            raise tarfile.ReadError(f"{where} ({error})") from error


def _until_damage(shard: str, damage: list[Exception]) -> Iterator[dict[str, Any]]:
    """Yield the files of a shard as webdataset has them; what ends them early is put into `damage`."""
    try:
        if is_url(shard):
            (source,) = _webdataset().tariterators.url_opener(iter([{"url": shard}]))
            yield from _files(source["stream"], shard)
        else:
            with open(shard, "rb") as stream:
                yield from _files(stream, shard)
    except Exception as error:  # a damaged tar can raise anything
        damage.append(error)


def _files(stream: IO[bytes], shard: str) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Header) as archive:
        for member in archive:
            if member.isreg() and not _META.match(member.name):
                content = archive.extractfile(member)
                assert content is not None
                yield {"fname": member.name, "data": content.read(), "__url__": shard}
            # Else the headers of all stay in memory.
            archive.members = []  # type: ignore[attr-defined]
        # Only zeros follow the block of zeros at the end of a tar; anything else is behind a header that was cleared.
        while block := archive.fileobj.read(1 << 20):
            if block.count(0) < len(block):
                where = f"it ends at byte {archive.offset:,}, and more follows"
                raise tarfile.ReadError(f"{where}: it is damaged, or is several tar files in one")


def _image_of(sample: dict[str, Any]) -> bytes:
    for ending in _IMAGES:
        if ending in sample:
            return bytes(sample[ending])
    raise ValueError(f"has no image ({', '.join(_IMAGES)}){_dotted(sample, _IMAGES)}")


def _dotted(sample: dict[str, Any], endings: tuple[str, ...]) -> str:
    """Return what explains that `a.b.png` is not the image of a record `a.b`."""
    found = next((name for name in sample if name.rpartition(".")[2] in endings and "." in name), None)
    return "" if found is None else f" but {found}: the name of a record ends at its first dot"


def _texts_of(sample: dict[str, Any]) -> list[str]:
    """Return the captions: the lines of .txt, or what .json has under a key of captions."""
    if "txt" in sample:
        lines: Any = split_lines(_decoded(sample["txt"], "txt"))
    elif "json" in sample:
        content = _parsed(_decoded(sample["json"], "json"))
        lines = next((content[key] for key in _CAPTION_KEYS if key in content), []) if isinstance(content, dict) else []
        lines = lines if isinstance(lines, list) else [lines]
    else:
        raise ValueError(f"has no caption (txt, json){_dotted(sample, ('txt', 'json'))}")
    texts = [clean_caption(line) for line in lines if isinstance(line, str)]
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
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"has a json that can't be read: {error}") from error


def _expanded(pattern: str, key: str) -> list[str]:
    """Return what a pattern with braces means, several of them being divided by `::`."""
    if any(abs(int(last) - int(first)) >= _MOST for first, last in _RANGE.findall(pattern)):
        raise UserError(f"{key}={pattern} names more than {_MOST:,} shards: give a smaller range")
    expand = _webdataset().shardlists.braceexpand.braceexpand
    try:
        found = [name for one in pattern.split("::") for name in islice(expand(one), _MOST + 1)]
    except ValueError as error:
        raise UserError(f"{key}={pattern} is no pattern: {first_line(error)}") from error
    if len(found) > _MOST:
        raise UserError(f"{key}={pattern} names more than {_MOST:,} shards: give a smaller range")
    return found


def _webdataset() -> Any:
    try:
        import webdataset.shardlists
        import webdataset.tariterators
    except ImportError as error:
        raise UserError("data=captioned_shards takes webdataset: pip install 'genbench[shards]'") from error
    return webdataset
