"""Captions by template of labelled samples: "a photo of a {}" with what a label is called in the place of {}."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from genbench.conditions.captions import Captions, captions_of
from genbench.data.store import Rows, SampleStore
from genbench.errors import UserError
from genbench.text.templates import check_templates, fill
from genbench.text.tokenizer import TokenizerName


class LookedUp:
    """Rows of a table, one for each sample: captions that many samples have in common are stored once.

    Args:
        table: (M, ...).
        index: of each sample the row of the table, (N,).
    """

    def __init__(self, table: Tensor, index: Tensor) -> None:
        self._table, self._index = table, index
        self.shape = (len(index), *table.shape[1:])

    def __len__(self) -> int:
        """Return N."""
        return len(self._index)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return the rows of some samples."""
        return self._table[self._index[index]]


class Templates:
    """How labels become captions.

    Args:
        captions: one template, or several, of which training draws one for each image and step.
        tokenizer: of the captions.

    Raises:
        UserError: a template has no place for a name.
    """

    def __init__(self, captions: str | Sequence[str], tokenizer: TokenizerName) -> None:
        try:
            self.templates = check_templates([captions] if isinstance(captions, str) else captions)
        except ValueError as error:
            raise UserError(f"data.captions: {error}") from error
        self.tokenizer = tokenizer

    def condition(self, phrases: Sequence[str]) -> Captions:
        """Return the captions of all that labels may be called, see `DataSet.every_phrase`."""
        return _captions(tuple(self.templates), tuple(phrases), self.tokenizer)

    def captioned(self, store: SampleStore, phrases: Sequence[str], condition: Captions) -> SampleStore:
        """Return samples with captions instead of labels.

        Args:
            store: the labelled samples.
            phrases: what the label of each is called.
            condition: see `condition`.

        Raises:
            UserError: a caption is too long.
        """
        numbers = {phrase: number for number, phrase in enumerate(dict.fromkeys(phrases))}
        texts = [[fill(template, phrase) for template in self.templates] for phrase in numbers]
        try:
            table = condition.encode_several(texts)
        except ValueError as error:
            raise UserError(f"data.captions: {error}") from error
        index = torch.tensor([numbers[phrase] for phrase in phrases], dtype=torch.long)
        rows: Rows = LookedUp(table, index)
        return SampleStore(store.samples, rows, medium=store.medium, condition=condition)


@lru_cache(maxsize=8)
def _captions(templates: tuple[str, ...], phrases: tuple[str, ...], tokenizer: TokenizerName) -> Captions:
    return captions_of([fill(template, phrase) for template in templates for phrase in phrases], tokenizer)
