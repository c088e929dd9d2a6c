"""GLIDE's tokenizer (Nichol et al. 2022): the byte pairs of GPT-2, of texts in lower case.

The vocabulary comes from two files of the authors' repository, `encoder.json` and `vocab.bpe`, and is kept as one
definition in the format of Hugging Face's `tokenizer.json`; the package `tokenizers` reads it at the first text.
"""

import gzip
import json
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from genbench.errors import UserError
from genbench.stored_tokenizer import read_tokenizer

_FILES = ("encoder.json", "vocab.bpe")

_LARGEST = 2**24
"""Bytes of each, unpacked. The authors' have a million at most."""

_LACKS = (
    "the model was imported without its tokenizer: put encoder.json and vocab.bpe of GLIDE's repository, or these with "
    ".gz, beside the weights and import them again"
)

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


class GlideBpe:
    """50,257 tokens: the authors' numbers plus one, and 0 in place of their last, `<|endoftext|>`.

    In the authors' code that token pads texts, and no text has it. There is no token for the start or the end of one.

    Args:
        definition: of the vocabulary, see `definition_in`; None if it is missing, when only the empty text is known.
    """

    counted: ClassVar[str] = "tokens"
    end: ClassVar[int | None] = None
    size = 50_257

    def __init__(self, definition: str | None = None) -> None:
        self.definition = definition

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; of the empty text none, for which no definition is needed.

        Raises:
            UserError: the package `tokenizers` is missing.
            ValueError: there is no definition, or it is damaged.
        """
        return [number + 1 for number in self._opened.encode(text.lower()).ids] if text else []

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, in lower case, without padding."""
        numbers = [token - 1 for token in tokens if token]
        return str(self._opened.decode(numbers)) if numbers else ""

    def check(self, text: str) -> None:
        """Accept any text if there is a definition: whatever is no word is spelt in bytes.

        Raises:
            ValueError: there is none.
        """
        if text and self.definition is None:
            raise ValueError(_LACKS)

    @cached_property
    def _opened(self) -> Any:
        if self.definition is None:
            raise ValueError(_LACKS)
        opened = read_tokenizer(self.definition.encode())
        if opened.get_vocab_size() != self.size:
            raise ValueError(f"GLIDE's tokenizer has {self.size:,} tokens, not {opened.get_vocab_size():,}")
        return opened


def definition_in(folder: Path) -> str | None:
    """Return the definition of the tokenizer whose two files are in a folder, each as it is or with `.gz`.

    None if there are none of them.

    Raises:
        UserError: there is one without the other, or one is damaged.
    """
    found = {name: _content(folder / name) for name in _FILES}
    missing = [name for name, content in found.items() if content is None]
    if missing:
        if len(missing) == len(_FILES):
            return None
        raise UserError(f"{folder} has no {missing[0]}, which GLIDE's tokenizer needs beside the other file")
    numbers, merges = (str(content) for content in found.values())
    try:
        vocabulary = json.loads(numbers)
        if sorted(vocabulary.values()) != list(range(GlideBpe.size)):
            raise ValueError(f"{_FILES[0]} does not number {GlideBpe.size:,} tokens")
        # After a line that says the version.
        pairs = merges.split("\n")[1:-1]
        if not all(len(pair.split()) == 2 for pair in pairs):
            raise ValueError(f"{_FILES[1]} has a line that is no pair")
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"{folder}: the files of GLIDE's tokenizer are damaged: {error}") from error
    model = {"type": "BPE", "vocab": vocabulary, "merges": pairs}
    return json.dumps(
        {"version": "1.0", "pre_tokenizer": _BYTES, "decoder": _BYTES, "added_tokens": [], "model": model}
    )


def _content(file: Path) -> str | None:
    packed = file.with_name(f"{file.name}.gz")
    try:
        with open(file, "rb") if file.is_file() else gzip.open(packed) as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            # A small packed file may unpack to more than there is memory.
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        return content.decode()
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{file} can't be read: {error}") from error
