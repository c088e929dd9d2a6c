"""The convolutional encoder of captions: what it depends on."""

import pytest
import torch
from torch import nn

from genbench.conditions.base import Tokens
from genbench.conditions.captions import Captions
from genbench.networks.convolutional_text import ConvolutionalText
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import Attention, Given

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
    assert encoder.to_vector is not None
    torch.nn.init.zeros_(encoder.to_vector.weight)
    torch.nn.init.zeros_(encoder.to_vector.bias)
    texts = ["a red three on blue", "a blue three on red", "three", "three three", ""]
    one, swapped, word, twice, empty = encoder(CAPTIONS.encode(texts)).vector
    torch.testing.assert_close(one, swapped)
    torch.testing.assert_close(twice, 2 * word)
    assert word.any()
    assert not empty.any()


def test_what_a_word_yields_may_be_of_this_word_alone() -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalText(CAPTIONS.form, 6, width=8, layers=LAYERS, with_vector=False, values="word")
    assert not any("vector" in name for name, _ in encoder.named_parameters())
    one, other = (encoder(CAPTIONS.encode([text])) for text in ("a red three on blue", "a blue three on red"))
    assert one.vector is None
    assert one.values.shape == one.sequence.shape
    assert not one.values[~one.mask].any()
    # "three" is attended to elsewhere beside "red" than beside "blue", but what is drawn there is the same.
    assert not torch.allclose(one.sequence[0, 3], other.sequence[0, 3], atol=1e-3)
    assert torch.equal(one.values[0, 3], other.values[0, 3])
    assert torch.equal(one.values[0, 2], other.values[0, 5])
    with pytest.raises(ValueError, match="values must be state or word"):
        ConvolutionalText(CAPTIONS.form, 6, values="token")  # type: ignore[arg-type]


def test_a_network_draws_by_words_where_their_states_say() -> None:
    torch.manual_seed(0)
    layer = Attention(8, 2, 6, to_map=False)
    nn.init.normal_(layer.to_out.weight, std=0.5)
    x, states, values = torch.randn(2, 8, 4, 4), torch.randn(2, 5, 6), torch.randn(2, 5, 6)
    mask = torch.ones(2, 5, dtype=torch.bool)
    seen: list[torch.Tensor] = []
    layer.watch = lambda weights, side: seen.append(weights)
    out = layer(x, Given(torch.zeros(2, 1), states, mask, values))
    layer(x, Given(torch.zeros(2, 1), states, mask))
    # The same places attend to the same words, whatever they yield.
    torch.testing.assert_close(seen[0], seen[1])
    assert layer.from_sequence is not None
    v = (values @ layer.from_sequence.weight[8:].T + layer.from_sequence.bias[8:]).unflatten(2, (2, 4))
    expected = torch.einsum("bhpl,blhc->bhcp", seen[0], v).reshape(2, 8, 4, 4)
    torch.testing.assert_close(out, x + layer.to_out(expected))
    torch.testing.assert_close(
        layer(x, Given(torch.zeros(2, 1), states, mask, states)), layer(x, Given(torch.zeros(2, 1), states, mask))
    )


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


def test_some_vectors_are_left_out_in_training_alone() -> None:
    torch.manual_seed(0)
    encoder = ConvolutionalText(CAPTIONS.form, 6, width=8, layers=LAYERS, vector_dropout=0.25)
    rows = CAPTIONS.encode(["a red three on blue"]).expand(400, -1)
    trained = encoder(rows)
    whole = encoder.eval()(rows)
    assert trained.vector is not None
    assert whole.vector is not None
    is_left_out = ~trained.vector.any(1)
    assert is_left_out.float().mean().item() == pytest.approx(0.25, abs=0.06)
    torch.testing.assert_close(trained.vector[~is_left_out], whole.vector[~is_left_out])
    torch.testing.assert_close(trained.sequence, whole.sequence)
    with pytest.raises(ValueError, match="0 without a vector"):
        ConvolutionalText(CAPTIONS.form, 6, with_vector=False, vector_dropout=0.5)
