"""WebDataset's shards: streamed, divided, resumed, and damaged."""

import io
import json
import sys
import tarfile
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.data.captioned_shards import CaptionedShards
from genbench.data.stream_loader import StreamLoader
from genbench.data.tar_shards import list_shards, read_records
from genbench.errors import UserError
from tests.data.distributed import encode

pytest.importorskip("webdataset")

COUNTS = (7, 12, 1, 9, 11)


def flat(level: int, kind: str = "PNG") -> bytes:
    return encode(Image.new("RGB", (8, 8), (level, level, level)), kind)


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def make_shards(root: Path) -> Path:
    """Write 40 records: number i is a square of level 6 i, whose captions are wi and, of every other, other wi."""
    root.mkdir(parents=True)
    number = 0
    for shard, count in enumerate(COUNTS):
        members = {}
        for _ in range(count):
            own = [f"w{number}", *([f"other w{number}"] if number % 2 else [])]
            key = f"{number:06d}"
            members[f"{key}.{('png', 'webp')[number % 2]}"] = flat(6 * number, ("PNG", "WEBP")[number % 2])
            if shard % 2:
                members[f"{key}.json"] = json.dumps({"caption": own, "width": 8}).encode()
            else:
                members[f"{key}.txt"] = "\n".join(own).encode()
            number += 1
        write_shard(root / f"shard-{shard:02d}.tar", members)
    return root


def shards(root: Path, **settings: object) -> CaptionedShards:
    own = {"root": str(root), "prepared": str(root.parent / "prepared"), "size": 8, "test_every": 0, "batch_size": 8,
           "buffer": 6, "workers": 2}  # fmt: skip
    return CaptionedShards(**{**own, **settings})  # type: ignore[arg-type]


def loader(data: CaptionedShards, **place: object) -> StreamLoader:
    data._place = lambda: place  # type: ignore[method-assign,assignment]
    return data.train_dataloader()


def numbers(batches: object, data: CaptionedShards) -> list[list[int]]:
    """Return the records of batches, after a look that each has a caption of its own."""
    found = []
    for batch in batches:  # type: ignore[attr-defined]
        levels = ((batch.x.mean((1, 2, 3)) + 1) * 127.5 / 6).round().int().tolist()
        texts = [text.removeprefix("other ").replace(" ", "") for text in data.labels.describe(batch.condition)]
        assert texts == [f"w{level}" for level in levels]
        found.append(levels)
    return found


@pytest.mark.parametrize("tokenizer", ["words", "clip_bpe"])
def test_an_epoch_streams_each_record_once_with_one_of_its_captions(tmp_path: Path, tokenizer: str) -> None:
    data = shards(make_shards(tmp_path / "shards"), tokenizer=tokenizer)
    train = loader(data)
    assert len(train) == 5
    one, other = ([number for batch in numbers(train, data) for number in batch] for _ in range(2))
    assert sorted(one) == sorted(other) == list(range(40))
    assert one != other != sorted(one)
    assert data.condition.form.vocabulary == (40 + 1 + 2 if tokenizer == "words" else 49_408)  # type: ignore[union-attr]
    drawn = {text.split()[0] for batch in loader(data) for text in data.labels.describe(batch.condition)}
    assert "other" in drawn


def test_the_order_depends_on_seed_and_epoch_and_not_on_the_workers(tmp_path: Path) -> None:
    root = make_shards(tmp_path / "shards")
    orders = {}
    for seed, workers in ((0, 1), (0, 3), (1, 1)):
        data = shards(root, seed=seed, workers=workers)
        orders[seed, workers] = numbers(loader(data), data)
    assert orders[0, 1] == orders[0, 3] != orders[1, 1]
    # Shards are in random order and records among their neighbours.
    data = shards(root, buffer=1)
    stretches = [number for batch in numbers(loader(data), data) for number in batch]
    assert sum(after != before + 1 for before, after in pairwise(stretches)) <= len(COUNTS)


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_processes_read_no_record_twice(tmp_path: Path, world_size: int) -> None:
    root = make_shards(tmp_path / "shards")
    data = shards(root)
    parts = [numbers(loader(data, rank=rank, world_size=world_size), data) for rank in range(world_size)]
    assert {len(part) for part in parts} == {5}
    assert {len(batch) for part in parts for batch in part} == {8 // world_size}
    assert sorted(number for part in parts for batch in part for number in batch) == list(range(40))


@pytest.mark.parametrize("start", [1, 4, 5, 7])
def test_a_resumed_run_goes_on_at_the_same_record(tmp_path: Path, start: int) -> None:
    data = shards(make_shards(tmp_path / "shards"), flip=True)

    def all_of(loader: StreamLoader, epochs: int) -> list[torch.Tensor]:
        return [tensor for _ in range(epochs) for batch in loader for tensor in (batch.x, batch.condition)]

    whole = all_of(loader(data, rank=1, world_size=2), 2)
    resumed = all_of(loader(data, rank=1, world_size=2, start_step=start), 2)
    assert all(map(torch.equal, whole[2 * start :], resumed))
    assert len(resumed) >= len(whole) - 2 * start


def test_records_are_held_out_by_their_names_or_have_shards_of_their_own(tmp_path: Path) -> None:
    root = make_shards(tmp_path / "shards")
    data = shards(root, test_every=4, batch_size=4, tokenizer="clip_bpe")
    held_out = numbers([data.store("test").batch(slice(0, 40))], data)[0]
    assert 4 <= len(held_out) <= 16
    epoch = {number for batch in loader(data) for number in numbers([batch], data)[0]}
    assert epoch.isdisjoint(held_out)
    assert data.describe()["parts"]["test"]["images"] == len(held_out)
    # A word that only held-out captions have is unknown.
    words = shards(root, test_every=4).labels.tokenizer.words  # type: ignore[attr-defined]
    assert set(words) == {f"w{number}" for number in range(40) if number not in held_out} | {"other"}
    own = shards(root / "shard-0{0..2}.tar", test=str(root / "shard-0[34].tar"), prepared=str(tmp_path / "p"))
    assert (own.describe()["parts"]["train"]["images"], own.describe()["parts"]["test"]["images"]) == (20, 20)
    assert len(shards(root, in_memory=15).store("train")) == 15


def test_the_first_pass_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_shards(tmp_path / "shards")
    first = shards(root).describe()
    assert "reading 5 shards once" in capsys.readouterr().err
    assert shards(root).describe() == first
    assert "reading" not in capsys.readouterr().err
    write_shard(root / "shard-02.tar", {"a.png": flat(6 * 19), "a.txt": b"w19"})
    assert shards(root).describe()["sha256"] != first["sha256"]


def truncate(root: Path) -> str:
    path = root / "shard-03.tar"
    path.write_bytes(path.read_bytes()[: 512 * 13 + 99])
    return "shard-03.tar can't be read"


def overwrite(root: Path, record: int, content: bytes) -> str:
    path = root / "shard-03.tar"
    with tarfile.open(path) as tar:
        place = tar.getmembers()[record].offset
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + content + whole[place + len(content) :])
    return "shard-03.tar can't be read"


def damage_a_header(root: Path) -> str:
    return overwrite(root, 8, b"\xaa" * 200) + ": it is damaged or cut short at byte 8,192 "


def clear_a_header(root: Path) -> str:
    return overwrite(root, 8, bytes(512)) + ": it ends at byte 8,192, and more follows"


def cut_between_records(root: Path) -> str:
    path = root / "shard-03.tar"
    path.write_bytes(path.read_bytes()[: 8 * 1024])
    return "shard-03.tar can't be read: it is damaged or cut short at byte 8,192 "


def cut_a_header(root: Path) -> str:
    path = root / "shard-03.tar"
    path.write_bytes(path.read_bytes()[: 8 * 1024 + 99])
    return "shard-03.tar can't be read: it is damaged or cut short at byte 8,192 "


def nest_deeply(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.png": flat(0), "a.json": b"[" * 100_000})
    return r"a of .*shard-02\.tar has a json that can't be read: it is nested too deeply"


def halve_a_character(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.png": flat(0), "a.json": b'{"caption": "\\ud800"}'})
    return r"a of .*shard-02\.tar has a caption that can't be encoded as UTF-8"


def name_in_latin_1(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"\udce9.png": flat(0), "\udce9.txt": b"w0"})
    return r"\\udce9 of .*shard-02\.tar has a name that is no UTF-8"


def name_with_a_dot(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.b.png": flat(0), "a.b.txt": b"w0"})
    return r"a of .*shard-02\.tar has no image .* but b\.png: the name of a record ends at its first dot"


def lose_a_caption(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.png": flat(0)})
    return r"a of .*shard-02\.tar has no caption \(txt, json\)"


def lose_an_image(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.txt": b"w0"})
    return r"a of .*shard-02\.tar has no image \(jpg"


def empty_a_caption(root: Path) -> str:
    write_shard(root / "shard-02.tar", {"a.png": flat(0), "a.json": b'{"caption": ""}'})
    return r"a of .*shard-02\.tar has no caption in its json"


DAMAGES = [truncate, damage_a_header, clear_a_header, cut_between_records, cut_a_header, nest_deeply, halve_a_character]
DAMAGES += [name_in_latin_1, name_with_a_dot, lose_a_caption, lose_an_image, empty_a_caption]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_and_left_out_on_request(
    tmp_path: Path, damage: object, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_shards(tmp_path / "shards")
    message = damage(root)  # type: ignore[operator]
    with pytest.raises(UserError, match=message + r".*; mend it, or set data\.on_error=skip"):
        shards(root).prepare_data()
    data = shards(root, on_error="skip", batch_size=1)
    epoch = [number for batch in numbers(loader(data), data) for number in batch]
    assert len(epoch) == len(set(epoch)) == data.describe()["parts"]["train"]["images"] < 40
    assert "left out: " in capsys.readouterr().err


@pytest.mark.parametrize("damage", [damage_a_header, clear_a_header, cut_between_records, cut_a_header])
def test_all_whole_records_before_the_damage_are_read(tmp_path: Path, damage: Callable[[Path], str]) -> None:
    root = make_shards(tmp_path / "shards")
    damage(root)
    left_out: list[str] = []
    found = [record.key for record in read_records(str(root / "shard-03.tar"), "skip", left_out.append)]
    # Two members each, of which the ninth is damaged.
    assert found == [f"{number:06d}" for number in range(20, 24)]
    assert len(left_out) == 1


@pytest.mark.parametrize("end", [512, 1024, 1024 + 300, 10_240])
def test_any_number_of_zeros_ends_a_shard(tmp_path: Path, end: int) -> None:
    path = make_shards(tmp_path / "shards") / "shard-01.tar"
    path.write_bytes(path.read_bytes()[: 12 * 4 * 512] + bytes(end))
    assert len(list(read_records(str(path), "stop", pytest.fail))) == 12


def test_shards_of_webdatasets_writer_and_packed_ones_are_whole(tmp_path: Path) -> None:
    writer = pytest.importorskip("webdataset.writer")
    for name in ("a.tar", "a.tar.gz"):
        with writer.TarWriter(str(tmp_path / name)) as tar:
            for key in ("x", "y"):
                tar.write({"__key__": key, "png": flat(0), "txt": "one\u2028line\r\nanother"})
        found = list(read_records(str(tmp_path / name), "stop", pytest.fail))
        assert [(record.key, record.texts) for record in found] == [(key, ["one line", "another"]) for key in "xy"]


def test_a_damaged_image_is_named_when_it_is_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_shards(tmp_path / "shards")
    write_shard(root / "shard-02.tar", {"a.png": flat(0)[:45], "a.txt": b"w0"})
    with pytest.raises(UserError, match=r"a of .*shard-02\.tar can't be read: .*; mend it, or set data\.on_error=skip"):
        list(loader(shards(root)))
    data = shards(root, on_error="skip")
    epoch = [number for batch in numbers(loader(data), data) for number in batch]
    # Another of its batch is there twice.
    assert (len(epoch), len(set(epoch))) == (40, 39)
    assert capsys.readouterr().err.count("left out: a of") == 1


def test_patterns_name_shards_and_nothing_else(tmp_path: Path) -> None:
    root = make_shards(tmp_path / "shards")
    everything = [str(root / f"shard-{number:02d}.tar") for number in range(5)]
    assert list_shards(str(root)) == list_shards(f"{root}/*.tar") == list_shards(f"{root}/shard-{{00..04}}.tar")
    assert list_shards(str(root)) == everything
    assert list_shards(everything[1]) == everything[1:2]
    assert list_shards("https://example.org/{0..1}.tar") == ["https://example.org/0.tar", "https://example.org/1.tar"]
    for pattern in ("pipe:touch it_ran", "pipe:touch it_ran #.tar", str(tmp_path / "none"), "ftp://example.org/a.tar"):
        with pytest.raises(UserError, match=r"data\.root="):
            list_shards(pattern)
    assert not Path("it_ran").exists()


@pytest.mark.parametrize("many", ["{0..99999999}", "{99999999..0..7}", "{0..9999}{0..9999}"])
def test_patterns_of_too_many_shards_are_refused_at_once(many: str) -> None:
    with pytest.raises(UserError, match="names more than 100,000 shards"):
        list_shards(f"s{many}.tar")


def test_patterns_know_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_shards(tmp_path / "shards")
    monkeypatch.setenv("WDS_NAME", str(root))
    for pattern in ("${NAME}", "${NOTHING}/{0..1}.tar"):
        with pytest.raises(UserError, match="has no shard"):
            list_shards(pattern)
    with pytest.raises(UserError, match="is no pattern: Unbalanced braces"):
        list_shards("{0..1.tar")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "a b"}, r"data\.name may hold"),
        ({"buffer": 0}, r"data\.buffer must be at least 1"),
        ({"batch_size": 41}, r"data\.batch_size must be from 1 to the 40 training images"),
        ({"tokenizer": "clip_bpe", "length": 3}, r"has [45] tokens, .* and there is room for 3"),
    ],
)
def test_settings_that_do_not_do_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        next(iter(loader(shards(make_shards(tmp_path / "shards"), **settings))))


def test_batches_are_decoded_ahead_and_no_further(tmp_path: Path) -> None:
    data = shards(make_shards(tmp_path / "shards"), batch_size=4)
    decoded = []
    decode = data.decode
    data.decode = lambda records: decoded.append(len(records)) or decode(records)  # type: ignore[method-assign,func-returns-value]
    list(islice(loader(data), 2))
    assert 2 <= len(decoded) <= 4
    assert np.all(np.array(decoded) == 4)


def test_without_its_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_shards(tmp_path / "shards")
    monkeypatch.setitem(sys.modules, "webdataset.shardlists", None)
    with pytest.raises(UserError, match=r"takes webdataset: pip install 'genbench\[shards\]'"):
        shards(root).prepare_data()
