"""Files are whole or as they were, whenever their writing ends."""

import errno
import os
from pathlib import Path

import pytest

from genbench.errors import UserError
from genbench.files import (
    check_can_write,
    leads_out,
    nearest_folder,
    read_json,
    read_lines,
    set_aside,
    write_json,
    written_whole,
)


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


def test_a_file_that_several_write_has_a_part_of_each(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    with written_whole(file, shared=True) as ours, written_whole(file) as another:
        assert ours.parent == another.parent == tmp_path
        assert str(os.getpid()) in ours.name
        assert ours.name != another.name == "facts.json.part"
        ours.write_text("ours")
        another.write_text("another")
    assert file.read_text() == "ours"


def test_what_a_full_disk_says_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    with pytest.raises(OSError, match="No space") as full, written_whole(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert full.value.filename == str(file)
    with pytest.raises(OSError, match="other") as named, written_whole(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "other")
    assert named.value.filename == "other"


def test_json_comes_back_and_what_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    write_json({"one": [1, None]}, file)
    assert file.read_text() == '{\n  "one": [\n    1,\n    null\n  ]\n}\n'
    assert read_json(file) == {"one": [1, None]}
    for content in ("[1]", "{", "", "[" * 100_000):
        file.write_text(content)
        with pytest.raises(UserError, match=r"facts\.json can't be read"):
            read_json(file)
    with pytest.raises(UserError, match=r"missing\.json can't be read"):
        read_json(tmp_path / "missing.json")


def test_damaged_files_are_set_aside_one_beside_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scores.json"
    for content in ("one", "two", "three"):
        file.write_text(content)
        set_aside(file, "it is damaged")
        assert not file.exists()
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"scores.damaged.json": "one", "scores.damaged1.json": "two", "scores.damaged2.json": "three"}
    assert "it is damaged; it is kept as" in capsys.readouterr().err


def test_lines_end_with_a_line_feed_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    lines = ["one\u2028still one", "two\x85\x0b\x0c\x1c\rstill two", "", "four"]
    for ends in ("\n", "\r\n"):
        for last in (ends, ""):
            file.write_bytes(b"\xef\xbb\xbf" + (ends.join(lines) + last).encode())
            assert read_lines(file) == lines
    file.write_bytes(b"")
    assert read_lines(file) == []


@pytest.mark.parametrize(
    ("name", "out"),
    [
        *(("a", False), ("a/b", False), ("a..b/c", False), ("", False)),
        *(("..", True), ("a/../../b", True), ("/a", True), ("a\\..\\b", True), ("C:\\a", True)),
    ],
)
def test_names_that_lead_out(name: str, out: bool) -> None:
    assert leads_out(name) is out


def test_the_nearest_folder_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert nearest_folder(tmp_path) == tmp_path
    assert nearest_folder(tmp_path / "a" / "b") == tmp_path
    assert nearest_folder(tmp_path / "file" / "b") == tmp_path
    assert nearest_folder(Path("/nowhere/at/all")) == Path("/")


def test_where_files_can_be_written(tmp_path: Path) -> None:
    check_can_write(tmp_path / "a" / "b", "output")
    check_can_write(tmp_path, "output")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("file", "file/b", "broken/c"):
        with pytest.raises(UserError, match=f"^output={tmp_path / name} can't be written: {tmp_path}/(file|broken): "):
            check_can_write(tmp_path / name, "output")
