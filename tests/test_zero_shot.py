"""Zero-shot prediction by a tiny model whose features are known."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsTexts
from genbench.conditions.captions import Captions
from genbench.medium import Images
from genbench.zero_shot import classifier_weights, embed_texts, marginal, predict, prompt_weights

WORDS = ["cat", "dog", "bird", "a", "photo", "of"]


class OneHot(torch.nn.Module):
    """Images are features; a text's feature is the sum of `length` times the unit vector of each of its words."""

    logit_scale = 10.0
    embedding_dim = len(WORDS)

    def __init__(self, lengths: dict[str, float] | None = None) -> None:
        super().__init__()
        self.condition = Captions(WORDS, 6)
        self.medium = Images((1, 1, len(WORDS)))
        lengths = lengths or {}
        table = torch.diag(torch.tensor([lengths.get(word, 1.0) for word in WORDS]))
        self.table = torch.nn.Parameter(torch.cat([torch.zeros(2, len(WORDS)), table]))

    def embed_images(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def embed_texts(self, rows: Tensor) -> Tensor:
        return self.table[rows].sum(1)


def image_of(*words: str) -> Tensor:
    return torch.tensor([[[[1.0 if word in words else 0.0 for word in WORDS]]]])


def test_the_nearest_class_has_the_logit_of_its_cosine() -> None:
    model = OneHot()
    assert isinstance(model, EmbedsTexts)
    weights = classifier_weights(model, ["cat", "dog", "bird"], ["{}"])
    logits = predict(model, 5 * image_of("dog"), weights)
    torch.testing.assert_close(logits, torch.tensor([[0.0, 10.0, 0.0]]))
    # A template adds three orthogonal unit vectors to each class's own.
    weights = classifier_weights(model, ["cat", "dog", "bird"], ["a photo of {}"])
    torch.testing.assert_close(predict(model, image_of("dog"), weights), torch.tensor([[0.0, 5.0, 0.0]]))


def test_an_ensemble_is_normalised_averaged_and_normalised_again() -> None:
    model = OneHot({"a": 100.0, "cat": 0.01})
    weights = prompt_weights(model, [["a", "cat"], ["dog"]])
    one = 1 / math.sqrt(2)
    torch.testing.assert_close(weights[0], torch.tensor([one, 0, 0, one, 0, 0]))
    torch.testing.assert_close(weights.norm(dim=1), torch.ones(2))
    same = classifier_weights(model, ["cat"], ["a {}", "photo of {}"])
    parts = embed_texts(model, ["a cat", "photo of cat"])
    torch.testing.assert_close(same[0], normalize(parts.mean(0), dim=0))


def test_an_order_of_classes_is_an_order_of_logits() -> None:
    model = OneHot()
    x = torch.rand(5, 1, 1, len(WORDS), generator=torch.Generator().manual_seed(0))
    one = predict(model, x, classifier_weights(model, ["cat", "dog", "bird"], ["a {}", "photo of a {}"]))
    other = predict(model, x, classifier_weights(model, ["bird", "cat", "dog"], ["photo of a {}", "a {}"]))
    torch.testing.assert_close(one[:, [2, 0, 1]], other)


def test_what_can_not_be_a_prompt_is_refused_by_name() -> None:
    model = OneHot()
    with pytest.raises(ValueError, match="'zebra'"):
        classifier_weights(model, ["zebra"], ["a {}"])
    with pytest.raises(ValueError, match="'a photo' has no place"):
        classifier_weights(model, ["cat"], ["a photo"])
    with pytest.raises(ValueError, match="at least one prompt"):
        classifier_weights(model, ["cat"], [])


def test_prompts_of_one_class_add_their_probabilities() -> None:
    # Two prompts of the second class outweigh the best one, of the first.
    logits = torch.tensor([[0.40, 0.35, 0.25], [0.2, 0.1, 0.7]]).log()
    found = marginal(logits, torch.tensor([0, 1, 1]))
    torch.testing.assert_close(found, torch.tensor([[0.4, 0.6], [0.2, 0.8]]))
    torch.testing.assert_close(marginal(logits, torch.tensor([0, 1, 2])), logits.exp())
