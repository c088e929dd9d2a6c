"""The convolutional encoder of captions: what it depends on."""

import pytest
import torch

from genbench.conditions.base import Tokens
from genbench.conditions.captions import Captions
from genbench.networks.convolutional_text import ConvolutionalText
from genbench.networks.unet import UNet

CAPTIONS = Captions(["a", "red", "three", "on", "blue"], 8)
LAYERS = 2


@pytest.fixture
def encoder() -> ConvolutionalText:
    torch.manual_seed(0)
    return ConvolutionalText(CAPTIONS.form, 6, width=8, layers=LAYERS)


def test_sequences_have_a_learnt_token_and_vectors_their_length(encoder: ConvolutionalText) -> None:
    encoded = encoder(CAPTIONS.encode(["a red three on blue", ""]))
    assert encoded.vector is not None
    assert encoded.sequence is not None
    assert encoded.mask is not None
    assert encoded.vector.shape == (2, 6)
    assert encoded.sequence.shape == (2, 1 + 8, 8)
    assert encoded.mask.sum(1).tolist() == [1 + 5, 1]
    assert not encoded.sequence[~encoded.mask].any()


def test_what_follows_a_text_changes_nothing(encoder: ConvolutionalText) -> None:
    texts = ["a red three", "three on blue"]
    rows = CAPTIONS.encode(texts)
    short = Captions(CAPTIONS.tokenizer.words, 4).encode(texts)  # type: ignore[attr-defined]
    torch.testing.assert_close(encoder(rows).vector, encoder(short).vector)
    # A tokenizer that ends its texts may have anything after the end.
    other = ConvolutionalText(Tokens(7, 5, end=6), 6, width=8, layers=LAYERS)
    torch.testing.assert_close(
        other(torch.tensor([[1, 2, 6, 0, 0]])).vector, other(torch.tensor([[1, 2, 6, 3, 4]])).vector
    )


def test_a_state_depends_on_the_tokens_beside_it_and_on_no_further_ones(encoder: ConvolutionalText) -> None:
    base = CAPTIONS.encode(["a red three on blue a red three"])
    before = encoder(base).sequence
    changed = base.clone()
    changed[0, 3] = 2
    after = encoder(changed).sequence
    assert before is not None
    assert after is not None
    moved = (before != after).any(-1)[0].nonzero().flatten().tolist()
    # The learnt token is the first of the sequence.
    assert moved == list(range(1 + 3 - LAYERS, 1 + 3 + LAYERS + 1))


def test_the_order_of_words_matters_to_the_vector(encoder: ConvolutionalText) -> None:
    vectors = encoder(CAPTIONS.encode(["a red three on blue", "a blue three on red"])).vector
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)


def test_each_token_has_a_vector_of_its_own_beside_what_they_share(encoder: ConvolutionalText) -> None:
    torch.nn.init.zeros_(encoder.to_vector.weight)
    torch.nn.init.zeros_(encoder.to_vector.bias)
    texts = ["a red three on blue", "a blue three on red", "three", "three three", ""]
    one, swapped, word, twice, empty = encoder(CAPTIONS.encode(texts)).vector
    torch.testing.assert_close(one, swapped)
    torch.testing.assert_close(twice, 2 * word)
    assert word.any()
    assert not empty.any()


def test_a_network_attends_to_its_states() -> None:
    def text(form: Tokens, vector: int) -> ConvolutionalText:
        return ConvolutionalText(form, vector, width=12, layers=1)

    network = UNet((3, 8, 8), CAPTIONS, text=text, width=8, multipliers=(1,), blocks=1, attention=(8,))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    out = network(torch.randn(1, 3, 8, 8).expand(2, -1, -1, -1), torch.rand(1).expand(2), CAPTIONS.encode(["a", "red"]))
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    with pytest.raises(ValueError, match="layers=0"):
        ConvolutionalText(CAPTIONS.form, 6, layers=0)
