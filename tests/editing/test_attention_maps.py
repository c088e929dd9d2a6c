"""The editor of attention maps: words and their pictures, on a method whose attention is known."""

from typing import Any

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.editing.attention_maps import AttentionMaps
from genbench.editing.base import Inputs, check_result
from genbench.errors import UserError
from genbench.medium import Images
from genbench.randomness import Noise
from tests.kinds import classes

CAPTIONS = Captions(["a", "red", "three"], 4)


class Attends:
    """Draw black pictures; the token at place i is attended to at pixel i of the first row."""

    medium: Any = Images((3, 4, 4))
    condition: Any = CAPTIONS
    derives_condition = False
    device = torch.device("cpu")

    def sample(self, count: int, condition: Any = None, *, noise: Noise) -> torch.Tensor:
        return -torch.ones(count, 3, 4, 4)

    def condition_of(self, batch: Any) -> Any:
        return batch.condition

    def attention_maps(self, count: int, condition: torch.Tensor, *, noise: Noise) -> Any:
        maps = torch.zeros(count, 4, 4, 4)
        for place in range(4):
            maps[:, place, 0, place] = 0.1 * (place + 1)
        return self.sample(count, noise=noise), maps


def test_each_word_has_the_map_of_its_own_token() -> None:
    editor = AttentionMaps(Attends())
    rows = CAPTIONS.encode(["a red three", "three", "a a"])
    result = check_result(editor, editor.edit(Inputs(3, condition=rows), noise=Noise(0, 0)), 3)
    assert result.beside is not None
    assert result.beside.labels == [["a", "red", "three"], ["three"], ["a", "a"]]
    for place, picture in enumerate(result.beside.pictures[0]):
        brightest = picture.int().sum(0).flatten().argmax()
        assert int(brightest) == place
    with pytest.raises(UserError, match="empty prompt"):
        editor.edit(Inputs(1, condition=CAPTIONS.encode([""])), noise=Noise(0, 0))
    # Each map is scaled to its own maximum.
    assert len({int(picture.int().sum(0).max()) for picture in result.beside.pictures[0]}) == 1


def test_a_word_of_several_tokens_has_their_mean() -> None:
    captions = Captions(tokenizer="clip_bpe", length=12)
    (row,) = captions.encode(["a skateboarding axolotl"])
    words = captions.words(row)
    assert [word for word, _ in words] == ["a", "skateboarding", "axolotl"]
    places = [place for _, own in words for place in own]
    # All tokens but those of start and end, each once.
    assert places == list(range(1, 1 + len(places)))
    assert len(places) > len(words)
    assert row[1 + len(places)] == captions.form.end


def test_a_method_of_classes_is_refused() -> None:
    method = Attends()
    method.condition = classes(3)
    with pytest.raises(ValueError, match="captions"):
        AttentionMaps(method)
