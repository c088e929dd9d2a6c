"""Preparing: what is stored, and that nothing short of a whole store ever looks like one."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import IO

import lmdb
import numpy as np
import pytest
from filelock import FileLock

from genbench import files
from genbench.data import decoding, prepare, shards
from genbench.data.lsun import LSUN
from genbench.data.preparation import Preparation
from genbench.data.shards import Shards
from genbench.errors import UserError
from tests.data.distributed import crop, encode, lsun_key, lsun_values, make_lsun, write_lmdb, zip_folder

SIZE = 16


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four records and shards of seven images."""
    monkeypatch.setattr(decoding, "CHUNK", 4)
    monkeypatch.setattr(prepare, "CHUNK", 4)
    monkeypatch.setattr(shards, "SHARD_BYTES", 128 + 7 * 3 * SIZE * SIZE)


def lsun(root: Path, **settings: object) -> LSUN:
    return LSUN(root=str(root), prepared=str(root / "prepared"), size=SIZE, **{"workers": 1, **settings})  # type: ignore[arg-type]


def expected(count: int) -> np.ndarray:
    return np.stack([Preparation(SIZE, "resize_then_crop")(value) for value in lsun_values(count)])


def broken_lsun(root: Path) -> Path:
    """Write an LMDB whose records 3, 9 and 10 are cut short, empty and no image."""
    values = lsun_values(15)
    values[3], values[9], values[10] = values[3][:500], b"", b"a text"
    write_lmdb(root / "bedroom_train_lmdb", values)
    return root


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_holds_pillows_pixels_in_order(tmp_path: Path, workers: int) -> None:
    data = lsun(make_lsun(tmp_path, train=17, test=3), workers=workers)
    (folder,) = data.prepare("train")
    files = sorted(folder.glob("images-*.npy"))
    arrays = [np.load(file, mmap_mode="r") for file in files]
    assert [len(array) for array in arrays] == [7, 7, 3]
    np.testing.assert_array_equal(np.concatenate(arrays), expected(17))
    images = data.store("train").samples
    np.testing.assert_array_equal(images[:].permute(0, 2, 3, 1).numpy(), expected(17))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["count"] == 17
    assert manifest["preparation"] == {"size": SIZE, "crop": "resize_then_crop", "filter": "bilinear", "channels": 3}
    assert manifest["source"]["records"] == 17
    assert not list(folder.parent.glob("*.partial"))


def test_other_settings_make_another_store_and_the_same_find_theirs(tmp_path: Path) -> None:
    make_lsun(tmp_path, train=5, test=2)
    first = lsun(tmp_path).prepare("train")
    before = first[0].stat().st_mtime_ns
    assert lsun(tmp_path).prepare("train") == first
    assert first[0].stat().st_mtime_ns == before
    others = [lsun(tmp_path, **change).prepare("train") for change in ({"filter": "box"}, {"crop": 200})]
    assert len({str(folder) for folder in [first, *others]}) == 3
    shutil.rmtree(tmp_path / "bedroom_train_lmdb")
    write_lmdb(tmp_path / "bedroom_train_lmdb", lsun_values(6))
    assert len(Shards(lsun(tmp_path).prepare("train")[0])) == 6


def test_a_source_that_is_gone_is_not_missed_once_it_is_prepared(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = lsun(make_lsun(tmp_path, train=5, test=2))
    data.prepare_data()
    shutil.rmtree(tmp_path / "bedroom_train_lmdb")
    assert len(lsun(tmp_path).store("train")) == 5
    assert "using the store prepared from it" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"bedroom_train_lmdb\.zip"):
        lsun(tmp_path, filter="box").store("train")


@pytest.mark.usefixtures("small_steps")
def test_a_broken_record_stops_the_work_and_names_its_key(tmp_path: Path) -> None:
    data = lsun(broken_lsun(tmp_path))
    with pytest.raises(
        UserError, match=rf"{lsun_key(3)} of .*bedroom_train_lmdb can't be read: .*[Tt]runcated.*on_error=skip"
    ):
        data.prepare("train")
    assert not list((tmp_path / "prepared").glob("*/manifest.json"))


@pytest.mark.usefixtures("small_steps")
def test_skip_leaves_broken_records_out_and_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    broken_lsun(tmp_path)
    (folder,) = lsun(tmp_path, on_error="skip").prepare("train")
    whole = [index for index in range(15) if index not in (3, 9, 10)]
    np.testing.assert_array_equal(Shards(folder)[:].permute(0, 2, 3, 1).numpy(), expected(15)[whole])
    skipped = json.loads((folder / "manifest.json").read_text())["skipped"]
    assert [entry["record"] for entry in skipped] == [3, 9, 10]
    assert [entry["key"] for entry in skipped] == [lsun_key(index) for index in (3, 9, 10)]
    assert "empty" in skipped[1]["reason"]
    assert "3 records were left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="without 3 records"):
        lsun(tmp_path, on_error="stop").store("train")


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("calls", range(1, 14))
def test_killed_at_any_write_it_goes_on_to_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Die before the n-th time that something is made safe on disk, tear what was being written, begin again."""
    values = lsun_values(15)
    values[9] = b""
    write_lmdb(tmp_path / "bedroom_train_lmdb", values)
    flush, flush_json, left, torn = prepare._flush, files.flush, [calls], []

    def die(file: IO[bytes]) -> None:
        left[0] -= 1
        if left[0] == 0:
            file.write(b"torn")
            raise KeyboardInterrupt
        flush(file)

    def die_in_json(path: Path) -> None:
        left[0] -= path.is_file()
        if left[0] == 0:
            torn.append(path)
            raise KeyboardInterrupt
        flush_json(path)

    monkeypatch.setattr(prepare, "_flush", die)
    monkeypatch.setattr(files, "flush", die_in_json)
    try:
        lsun(tmp_path, on_error="skip").prepare("train")
    except KeyboardInterrupt:
        assert all(path.suffix == ".partial" for path in (tmp_path / "prepared").glob("lsun*"))
    # A process that is killed does not clear away what it has half written.
    for path in torn:
        path.write_text("torn")
    monkeypatch.setattr(prepare, "_flush", flush)
    monkeypatch.setattr(files, "flush", flush_json)
    (folder,) = lsun(tmp_path, on_error="skip").prepare("train")
    kept = np.delete(expected(15), [9], axis=0)
    np.testing.assert_array_equal(np.concatenate([np.load(file) for file in sorted(folder.glob("images-*.npy"))]), kept)
    assert sorted(path.name for path in folder.iterdir()) == ["images-00000.npy", "images-00001.npy", "manifest.json"]


PREPARE = """
import sys
from genbench.__main__ import main
sys.exit(main(["prepare", "data=lsun_bedroom", *sys.argv[1:]]))
"""


def start(root: Path, *settings: str) -> subprocess.Popen:
    arguments = [f"data.root={root}", f"data.prepared={root / 'prepared'}", "data.size=64", "split=train", *settings]
    return subprocess.Popen([sys.executable, "-c", PREPARE, *arguments], stderr=subprocess.PIPE, text=True)


def test_kill_nine_loses_at_most_what_was_not_journalled(tmp_path: Path) -> None:
    value = encode(crop(1, 640, 500))
    write_lmdb(tmp_path / "bedroom_train_lmdb", [value] * 1100)
    process = start(tmp_path, "data.workers=2")
    journals = (tmp_path / "prepared").glob("*.partial/journal.json")
    while not (journal := next((tmp_path / "prepared").glob("*.partial/journal.json"), None)):
        assert process.poll() is None, journals
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = json.loads(journal.read_text())["records"]
    assert 0 < done < 1100
    again = start(tmp_path, "data.workers=1")
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0
    assert f"going on after {done}" in said.replace(",", "")
    (folder,) = (path.parent for path in (tmp_path / "prepared").glob("*/manifest.json"))
    images = Shards(folder)
    assert len(images) == 1100
    one = Preparation(64, "resize_then_crop")(value)
    assert (images[:].permute(0, 2, 3, 1).numpy() == one).all()


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    make_lsun(tmp_path, train=5, test=2)
    folder = lsun(tmp_path).prepare("train")[0]
    whole = folder.rename(folder.with_suffix(".away"))
    # The test is the first process.
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        second = start(tmp_path, f"data.size={SIZE}")
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        whole.rename(folder)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "preparing" not in said


def test_too_little_disk_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 0, 64 << 20))
    with pytest.raises(UserError, match=r"takes 3.8 KiB, and .* has 64.0 MiB free"):
        lsun(make_lsun(tmp_path, train=5, test=2)).prepare("train")
    assert not list((tmp_path / "prepared").glob("*.partial/*"))


def test_a_folder_that_can_not_be_written_to_is_named(tmp_path: Path) -> None:
    make_lsun(tmp_path, train=5, test=2)
    (tmp_path / "prepared").write_text("a file")
    with pytest.raises(UserError, match=r"set data\.prepared"):
        lsun(tmp_path).prepare("train")


@pytest.mark.parametrize("damage", ["short", "gone", "manifest", "format"])
def test_a_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    (folder,) = lsun(make_lsun(tmp_path, train=5, test=2)).prepare("train")
    shard, manifest = folder / "images-00000.npy", folder / "manifest.json"
    if damage == "short":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif damage == "gone":
        shard.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:40])
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(UserError, match=r"delete the folder .* and prepare again"):
        lsun(tmp_path).store("train")


def test_lsun_is_read_from_its_zip(tmp_path: Path) -> None:
    data = lsun(make_lsun(tmp_path / "folders", train=9, test=2))
    make_lsun(tmp_path / "zips", train=9, test=2)
    for split in ("train", "val"):
        zip_folder(tmp_path / "zips" / f"bedroom_{split}_lmdb")
    zipped = lsun(tmp_path / "zips")
    for split in ("train", "test"):
        assert (zipped.store(split).samples[:] == data.store(split).samples[:]).all()
    assert not list((tmp_path / "zips").rglob("data.mdb"))
    damaged = tmp_path / "zips" / "bedroom_train_lmdb.zip"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with pytest.raises(UserError, match="damaged or cut short"):
        lsun(tmp_path / "zips", filter="box").store("train")


def test_an_lmdb_that_was_copied_in_part_is_refused(tmp_path: Path) -> None:
    database = make_lsun(tmp_path) / "bedroom_train_lmdb" / "data.mdb"
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2)
    with pytest.raises(UserError, match="cut short"):
        lsun(tmp_path).store("train")
    database.write_bytes(b"nonsense" * 4096)
    with pytest.raises(UserError, match="can't be opened as an LMDB"):
        lsun(tmp_path).store("train")


def test_other_categories_and_objects(tmp_path: Path) -> None:
    make_lsun(tmp_path, train=4, test=2, category="church_outdoor")
    write_lmdb(tmp_path / "cat", lsun_values(3))
    church, cat = lsun(tmp_path, category="church_outdoor"), lsun(tmp_path, category="cat")
    assert (church.name, church.splits, len(church.store("train"))) == ("lsun_church_outdoor", ("train", "test"), 4)
    assert (cat.splits, len(cat.store("train"))) == (("train",), 3)
    with pytest.raises(UserError, match="lsun_cat has no test split"):
        cat.store("test")
    with pytest.raises(UserError, match=r"no folder kitchin_train_lmdb.*bedroom"):
        lsun(tmp_path, category="kitchin").store("train")


def test_an_empty_lmdb_is_refused(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "bedroom_train_lmdb", [])
    with pytest.raises(UserError, match="holds no images"):
        lsun(tmp_path).store("train")


def test_an_lmdb_that_other_code_holds_open_is_named(tmp_path: Path) -> None:
    make_lsun(tmp_path)
    other = lmdb.open(str(tmp_path / "bedroom_train_lmdb"), readonly=True, lock=False)
    with pytest.raises(UserError, match="close it there"):
        lsun(tmp_path).store("train")
    other.close()
