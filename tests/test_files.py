"""Files are whole or as they were, whenever their writing ends."""

import errno
import os
from pathlib import Path

import pytest

from genbench.files import taken_back, write_json, written_whole


def test_files_are_whole_or_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    write_json({"one": 1}, file)
    with pytest.raises(TypeError):
        write_json({"two": object()}, file)
    with pytest.raises(TypeError), written_whole(file) as beside:
        beside.write_bytes("half")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]
    assert '"one": 1' in file.read_text()


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    file, previous = tmp_path / "last", tmp_path / "previous"
    replace = os.replace
    missing = []

    def watched(source: Path, target: Path) -> None:
        replace(source, target)
        missing.append(not file.exists())

    def refused(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "replace", watched)
    if not links:
        monkeypatch.setattr(os, "link", refused)
    for content in ("one", "two", "three"):
        with written_whole(file, previous=previous) as beside:
            beside.write_text(content)
        assert file.read_text() == content
    assert previous.read_text() == "two"
    assert any(missing) is not links


def test_a_kill_between_two_names_is_mended_by_the_next_writing(tmp_path: Path) -> None:
    file, previous, beside = (tmp_path / name for name in ("last", "previous", "previous.part"))
    file.write_text("one")
    previous.hardlink_to(file)
    beside.hardlink_to(file)
    with written_whole(file, previous=previous) as new:
        new.write_text("two")
    assert (file.read_text(), previous.read_text()) == ("two", "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "previous"]


def test_folders_that_were_made_for_what_failed_are_taken_back(tmp_path: Path) -> None:
    def download(root: Path, *files: str) -> None:
        with taken_back(root / "MNIST" / "raw"):
            (root / "MNIST" / "raw").mkdir(parents=True)
            for name in files:
                (root / name).touch()
            raise OSError("no network")

    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="no network"):
        download(tmp_path / "there" / "mistyped")
    assert not list((tmp_path / "there").iterdir())
    with pytest.raises(OSError, match="no network"):
        download(tmp_path / "kept", "file")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]
