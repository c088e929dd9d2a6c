"""GLIDE's tokenizer: read from the authors' two files, kept as one definition, and numbered from one."""

import gzip
import json
from pathlib import Path

import pytest

from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.text.glide_bpe import GlideBpe, definition_in

MERGES = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("\u00c3", "\u00b8")]


def letters() -> list[str]:
    """Return GPT-2's letter for each byte, in the order of its vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]


def write(folder: Path, *, packed: bool = False, tokens: int = 50_257) -> dict[str, int]:
    names = [*letters(), *("".join(pair) for pair in MERGES)]
    names += [f"unused{number}" for number in range(tokens - 1 - len(names))] + ["<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    merges = "#version: 0.2\n" + "".join(f"{one} {other}\n" for one, other in MERGES)
    for name, content in (("encoder.json", json.dumps(vocabulary)), ("vocab.bpe", merges)):
        file = folder / (f"{name}.gz" if packed else name)
        file.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    return vocabulary


def test_texts_become_the_authors_numbers_plus_one(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    numbers = write(tmp_path)
    captions = Captions(tokenizer="glide_bpe", definition=definition_in(tmp_path), length=8)
    # Kept in the run folder, it needs the files no more.
    captions = Captions.from_dict(json.loads(json.dumps(captions.to_dict())))
    row = captions.parse("The the \u00f8!")[0]
    expected = [numbers[name] + 1 for name in ("the", "\u0120the", "\u0120", "\u00c3\u00b8", "!")]
    assert row.tolist() == [*expected, 0, 0, 0]
    assert captions.form.mask(row[None]).sum() == 5
    assert captions.describe(row[None]) == ["the the \u00f8!"]
    # "!" is their token 0, and is no padding; the name of the last token is text like any other.
    assert captions.parse("!")[0].tolist() == [1, *[0] * 7]
    with pytest.raises(ValueError, match="room for 8"):
        captions.parse("<|endoftext|>")
    assert (captions.null(2) == 0).all()


def test_data_captions_are_encoded_again(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    write(tmp_path, packed=True)
    own = Captions(tokenizer="glide_bpe", definition=definition_in(tmp_path), length=8)
    words = Captions(["the", "t"], 4)
    rows = words.encode(["the t", "t"])
    assert own.describe(own.encode_again(rows, words)) == ["the t", "t"]
    assert words.encode_again(rows, Captions(["the", "t"], 4)) is rows


def test_files_that_do_not_do(tmp_path: Path) -> None:
    assert definition_in(tmp_path) is None
    write(tmp_path, tokens=50_000)
    with pytest.raises(UserError, match="does not number 50,257"):
        definition_in(tmp_path)
    write(tmp_path)
    (tmp_path / "vocab.bpe").write_text("#version\nthree in one\n")
    with pytest.raises(UserError, match="no pair"):
        definition_in(tmp_path)
    (tmp_path / "vocab.bpe").unlink()
    with pytest.raises(UserError, match=r"has no vocab\.bpe"):
        definition_in(tmp_path)


def test_a_packed_file_that_is_damaged_or_unpacks_to_much_more(tmp_path: Path) -> None:
    write(tmp_path, packed=True)
    merges = tmp_path / "vocab.bpe.gz"
    whole = merges.read_bytes()
    merges.write_bytes(whole[:-10])
    with pytest.raises(UserError, match=r"vocab\.bpe can't be read"):
        definition_in(tmp_path)
    merges.write_bytes(whole[:20] + b"\xff" * 20 + whole[40:])
    with pytest.raises(UserError, match=r"vocab\.bpe can't be read"):
        definition_in(tmp_path)
    merges.write_bytes(gzip.compress(bytes(2**24 + 1)))
    with pytest.raises(UserError, match="more than 16,777,216 bytes"):
        definition_in(tmp_path)


def test_without_a_definition_only_the_empty_text_is_known() -> None:
    captions = Captions.from_dict({"tokenizer": "glide_bpe", "definition": None, "length": 4})
    assert captions.encode([""]).tolist() == [[0, 0, 0, 0]]
    with pytest.raises(ValueError, match="import them again"):
        captions.parse("a")
    with pytest.raises(ValueError, match="no text"):
        Captions.from_dict({"tokenizer": "glide_bpe", "definition": 3, "length": 4})
    assert GlideBpe.size == 50_257
