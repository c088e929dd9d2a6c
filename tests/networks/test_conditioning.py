"""What networks make of a condition: by vector, sequence and channels."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.embeddings import Embeddings
from genbench.conditions.source_images import SourceImages
from genbench.networks.autoencoder import Autoencoder
from genbench.networks.conditioning import encoder_of, plain_length, plain_vector
from genbench.networks.timed_encoder import TimedEncoder
from genbench.networks.unet import UNet
from tests.kinds import classes
from tests.networks.test_unet import SMALL, awake

SHAPE = (1, 8, 8)
WIDTH = 16
CAPTIONS = Captions(["a", "one", "two", "on", "black", "white"], 6)
KINDS: dict[str, Condition] = {
    "classes": classes(3),
    "attributes": Attributes(["thick", "tilted"]),
    "embeddings": Embeddings(5),
    "captions": CAPTIONS,
    "sources": SourceImages(SHAPE),
    "small sources": SourceImages((3, 4, 4)),
}


def two_rows(name: str) -> Tensor:
    """Return two different rows, as a method is given them."""
    return {
        "classes": torch.tensor([0, 2]),
        "attributes": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "embeddings": torch.tensor([[1.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0]]),
        "captions": CAPTIONS.encode(["a one on black", "two"]),
        "sources": torch.linspace(-1, 1, 128).view(2, *SHAPE),
        "small sources": torch.linspace(-1, 1, 96).view(2, 3, 4, 4),
    }[name]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_is_encoded_in_its_way(name: str) -> None:
    torch.manual_seed(0)
    encoder = encoder_of(KINDS[name], WIDTH, SHAPE)
    found = encoder(two_rows(name))
    images = name.endswith("sources")
    assert (found.vector is None) == images
    assert (found.channels is None) == (not images)
    assert (found.sequence is None) == (found.mask is None) == (name != "captions")
    assert encoder.context == (WIDTH if name == "captions" else 0)
    if found.vector is not None:
        assert encoder.channels == 0
        assert found.vector.shape == (2, WIDTH)
        # Also the row that stands for none has a vector of its own.
        nothing = encoder(KINDS[name].null(1)).vector
        assert nothing.isfinite().all()
        assert not any(torch.allclose(nothing[0], row, atol=1e-4) for row in found.vector)
        assert not torch.allclose(found.vector[0], found.vector[1], atol=1e-4)
    if found.channels is not None:
        assert found.channels.shape == (2, encoder.channels, 8, 8)
        assert encoder.channels == (3 if name == "small sources" else 1)


def test_a_source_of_the_samples_size_passes_as_it_is() -> None:
    sources = two_rows("sources")
    assert encoder_of(KINDS["sources"], WIDTH, SHAPE)(sources).channels is sources
    grey = torch.full((2, 3, 4, 4), 0.3)
    enlarged = encoder_of(KINDS["small sources"], WIDTH, SHAPE)(grey).channels
    torch.testing.assert_close(enlarged, torch.full((2, 3, 8, 8), 0.3))


def test_padding_changes_nothing_of_a_caption() -> None:
    torch.manual_seed(0)
    encoder = encoder_of(CAPTIONS, WIDTH, SHAPE)
    rows = CAPTIONS.encode(["a one", "two on white"])
    short = encoder(rows)
    assert short.mask.tolist() == [[True] * 3 + [False] * 4, [True] * 4 + [False] * 3]
    # Whatever the embedding of the padding is, nobody looks at it.
    with torch.no_grad():
        encoder.tokens.weight[0].fill_(100.0)  # type: ignore[union-attr, operator, index]
    again = encoder(rows)
    torch.testing.assert_close(again.vector, short.vector)
    torch.testing.assert_close(again.sequence[short.mask], short.sequence[short.mask])
    # Nor at the places themselves: where there is no room for more, the same caption is the same.
    tight = encoder_of(Captions(CAPTIONS.tokenizer.words, 2), WIDTH, SHAPE)
    weights = encoder.state_dict()
    tight.load_state_dict(weights | {"positions": weights["positions"][:3]})
    alone = tight(rows[:1, :2])
    torch.testing.assert_close(alone.vector, short.vector[:1])
    torch.testing.assert_close(alone.sequence, short.sequence[:1, :3])


def test_the_order_of_words_matters() -> None:
    torch.manual_seed(0)
    encoder = encoder_of(CAPTIONS, WIDTH, SHAPE)
    one, other = encoder(CAPTIONS.encode(["one on two", "two on one"])).vector
    assert not torch.allclose(one, other, atol=1e-4)


def unet(name: str, **settings: Any) -> UNet:
    network: Any = awake(UNet(SHAPE, KINDS[name], **SMALL, **settings))  # type: ignore[arg-type]
    return network


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_unet_depends_on_its_condition_with_all_its_parameters(name: str) -> None:
    network, rows = unet(name), two_rows(name)
    x_t, t = torch.randn(1, *SHAPE).expand(2, -1, -1, -1), torch.full((2,), 0.5)
    out = network(x_t, t, rows)
    assert out.shape == (2, *SHAPE)
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    # No condition is the row that stands for none, and differs from the others.
    nothing = network(x_t, t)
    torch.testing.assert_close(nothing, network(x_t, t, KINDS[name].null(2)))
    assert nothing.isfinite().all()
    assert not torch.allclose(out, nothing, atol=1e-3)
    with_null = torch.cat([rows, KINDS[name].null(1)])
    if name == "captions":
        with_null = torch.cat([with_null, CAPTIONS.encode(["a white", "black on"])])
    if name == "classes":
        with_null = torch.arange(4)
    count = len(with_null)
    network(torch.randn(count, *SHAPE), torch.rand(count), with_null).square().sum().backward()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_captions_of_a_unet_are_read_alone_whatever_others_are_beside_them() -> None:
    network = unet("captions").eval()
    rows = CAPTIONS.encode(["a one on black", "two", "", "a two on white"])
    x_t, t = torch.randn(4, *SHAPE), torch.rand(4)
    together = network(x_t, t, rows)
    for index in range(4):
        one = slice(index, index + 1)
        torch.testing.assert_close(network(x_t[one], t[one], rows[one]), together[one], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["captions", "sources", "classes"])
def test_outputs_follow_from_no_inputs(name: str) -> None:
    x_t, t = torch.randn(2, *SHAPE), torch.rand(2)
    assert unet(name, channels_out=5)(x_t, t, two_rows(name)).shape == (2, 5, 8, 8)
    assert unet(name, channels_out=3, outputs=2)(x_t, t, two_rows(name)).shape == (2, 6, 8, 8)
    assert unet(name, outputs=2)(x_t, t, two_rows(name)).shape == (2, 2, 8, 8)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_encoder_of_noisy_images_depends_on_its_condition(name: str) -> None:
    torch.manual_seed(0)
    network = TimedEncoder(SHAPE, KINDS[name], outputs=3, width=8)
    x, t = torch.randn(1, *SHAPE).expand(2, -1, -1, -1), torch.full((2,), 0.5)
    found = network(x, t, two_rows(name))
    assert found.shape == (2, 3)
    assert not torch.allclose(found[0], found[1], atol=1e-4)
    with pytest.raises(ValueError, match="its condition is missing"):
        network(x, t)


@pytest.mark.parametrize("name", ["classes", "attributes", "embeddings"])
def test_an_autoencoder_takes_plain_vectors(name: str) -> None:
    torch.manual_seed(0)
    condition, rows = KINDS[name], two_rows(name)
    vectors = plain_vector(condition.form, rows)
    assert vectors.shape == (2, plain_length(condition.form))
    assert torch.equal(vectors, torch.eye(3)[rows] if name == "classes" else rows)
    network = Autoencoder(SHAPE, 4, condition, width=8)
    x = torch.randn(1, *SHAPE).expand(2, -1, -1, -1)
    mean, _ = network.encode(x, rows)
    assert not torch.allclose(mean[0], mean[1], atol=1e-4)
    decoded = network.decode(torch.zeros(2, 4), rows)
    assert not torch.allclose(decoded[0], decoded[1], atol=1e-4)
    with pytest.raises(ValueError, match="its condition is missing"):
        network.encode(x)


def test_what_does_not_go_together_is_said() -> None:
    with pytest.raises(ValueError, match="source images condition images, not samples of shape"):
        encoder_of(KINDS["sources"], WIDTH, (24, 2))
    for name in ("captions", "sources"):
        with pytest.raises(ValueError, match="takes classes, attributes or embeddings, not"):
            Autoencoder(SHAPE, 4, KINDS[name])
        with pytest.raises(ValueError, match="takes classes, attributes or embeddings, not"):
            plain_vector(KINDS[name].form, two_rows(name))
