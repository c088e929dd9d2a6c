"""A first pass over shards: how many records each has, the words of their captions, and a hash that identifies them.

The result is kept in a file, so each shard is read for it once.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genbench.data.contents import digest
from genbench.data.holding_out import held_out
from genbench.data.prepare import OnError
from genbench.data.prepare_progress import say
from genbench.data.tar_shards import is_url, read_records
from genbench.errors import UserError
from genbench.files import read_json, written_whole
from genbench.text.words import split_words

_FORMAT = 2
_NAMED = 5
"""Records left out that are named; of more only their number is."""


@dataclass(frozen=True)
class Index:
    """What the first pass found.

    Attributes:
        train: training records of each shard.
        test: records of each shard that are held out.
        words: of the training captions, the most frequent first.
        longest: words and marks of the longest caption.
        sha256: of names and contents of all records.
        left_out: damaged shards and records, in words.
    """

    train: list[int]
    test: list[int]
    words: list[str]
    longest: int
    sha256: str
    left_out: list[str]


def index_shards(shards: Sequence[str], test_every: int, on_error: OnError, folder: Path) -> Index:
    """Return the index of shards, from its file in `folder` if none has changed since.

    Args:
        shards: their paths or addresses; whether what is at an address has changed is not known.
        test_every: of so many records one is held out, by its name; 0 for none.
        on_error: see `read_records`.
        folder: of the file.

    Raises:
        UserError: a shard or a record is damaged, or there are no records.
    """
    state = [[shard, *_stat(shard)] for shard in shards]
    path = folder / f"captioned_shards-{digest([_FORMAT, test_every, on_error, *state])[:16]}.json"
    if (known := _known(path)) is not None:
        return known
    say(f"reading {len(shards):,} shards once, to count their records and words")
    index = _read(shards, test_every, on_error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(path, shared=True) as beside:
            beside.write_text(json.dumps(asdict(index)) + "\n")
    except OSError as error:
        raise UserError(f"{path} can't be written ({error}): set data.prepared to a folder that can") from error
    return index


def _known(path: Path) -> Index | None:
    try:
        return Index(**read_json(path))
    except (UserError, TypeError):
        return None


def _read(shards: Sequence[str], test_every: int, on_error: OnError) -> Index:
    train, test = [0] * len(shards), [0] * len(shards)
    counts: Counter[str] = Counter()
    longest, content = 1, hashlib.sha256()
    left_out: list[str] = []
    for number, shard in enumerate(shards):
        for record in read_records(shard, on_error, left_out.append):
            content.update(hashlib.sha256(record.image).digest())
            content.update(digest([record.key, record.texts]).encode())
            words = [split_words(text) for text in record.texts]
            longest = max(longest, *map(len, words))
            if held_out(record.key, test_every):
                test[number] += 1
            else:
                train[number] += 1
                counts.update(word for own in words for word in own)
    for line in left_out[:_NAMED]:
        say(f"left out: {line}")
    if len(left_out) > _NAMED:
        say(f"left out: {len(left_out) - _NAMED:,} more")
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return Index(train, test, ordered, longest, content.hexdigest(), left_out)


def _stat(shard: str) -> list[int]:
    if is_url(shard):
        return []
    stat = Path(shard).stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
