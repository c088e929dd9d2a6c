"""A model that embeds images and texts without a network, and a data set for it."""

from typing import Any

import torch
from torch import Tensor, nn

from genbench.conditions.captions import Captions
from genbench.data.base import DataSet, Split
from genbench.data.store import SampleStore
from genbench.medium import Images

DIMENSIONS = 64


def feature_of(number: int) -> Tensor:
    """Return one of many random unit vectors, which are nearly orthogonal."""
    vector = torch.randn(DIMENSIONS, generator=torch.Generator().manual_seed(number))
    return vector / vector.norm()


class Lookup(nn.Module):
    """Texts have random features of their own; an image has that of the text whose number its first pixels write.

    Args:
        condition: how texts become rows.
        numbers: of texts; another one has a feature of its own.
        wrong: a text's number for which the image of another is taken, each time.
    """

    logit_scale = 100.0
    embedding_dim = DIMENSIONS
    device = torch.device("cpu")

    def __init__(self, condition: Captions, numbers: dict[str, int], wrong: dict[int, int] | None = None) -> None:
        super().__init__()
        self.condition = condition
        self.medium = Images((3, 8, 8))
        self._rows = {tuple(condition.parse(text)[0].tolist()): number for text, number in numbers.items()}
        self._wrong = wrong or {}

    def embed_images(self, x: Tensor) -> Tensor:
        numbers = ((x[:, 0, 0, :2] + 1) * 127.5).round().long() @ torch.tensor([256, 1])
        return torch.stack([feature_of(self._wrong.get(number, number)) for number in numbers.tolist()])

    def embed_texts(self, rows: Tensor) -> Tensor:
        # Not normalised: whoever compares them does that.
        found = [self._rows.get(tuple(row), 9_000_000 + hash(tuple(row)) % 1000) for row in rows.tolist()]
        return torch.stack([3 * feature_of(number) for number in found])


class Constant(Lookup):
    """Everything is embedded alike."""

    def embed_images(self, x: Tensor) -> Tensor:
        return feature_of(0).expand(len(x), -1)

    def embed_texts(self, rows: Tensor) -> Tensor:
        return feature_of(0).expand(len(rows), -1)


def picture_of(number: int) -> Tensor:
    """Return the image, uint8 (3, 8, 8), that `Lookup` takes for the text of a number."""
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0, 0, 0], image[0, 0, 1] = divmod(number, 256)
    return image


class Numbered(DataSet):
    """Images of texts, image i that of text i.

    Args:
        texts: of the test images, which may occur several times.
        unseen: of the split "unseen"; no such split if None.
    """

    name = "numbered"

    def __init__(self, texts: list[str], unseen: list[str] | None = None) -> None:
        super().__init__(batch_size=4, seed=0)
        self.medium = Images((3, 8, 8))
        self.texts = {"train": texts, "test": texts} | ({} if unseen is None else {"unseen": unseen})
        every = sorted({text for own in self.texts.values() for text in own})
        words = sorted({word for text in every for word in text.split()})
        self.numbers = {text: number for number, text in enumerate(every)}
        self._captions = Captions(words, max(len(text.split()) for text in every))
        self.condition = self._captions

    @property
    def splits(self) -> tuple[Split, ...]:
        return tuple(self.texts)

    def load(self, split: Split) -> SampleStore:
        pictures = torch.stack([picture_of(self.numbers[text]) for text in self.texts[split]])
        return SampleStore(pictures, self._captions.encode(self.texts[split]), condition=self._captions)

    def lookup(self, kind: type[Lookup] = Lookup, **settings: Any) -> Lookup:
        """Return the model that knows which image belongs to which text."""
        return kind(self._captions, self.numbers, **settings)
