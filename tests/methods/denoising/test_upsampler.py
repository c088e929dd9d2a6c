"""Text-conditional super-resolution: what the network is given, and what noise-conditioning augmentation hides."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.errors import UserError
from genbench.images import to_float, to_uint8
from genbench.medium import Images
from genbench.methods.denoising.upsampler import Upsampler, enlarged
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.language_models import Letters
from tests.networks.test_unet import awake

CAPTIONS = Captions(["a", "one", "two"], 4)
PROCESS = DiscreteProcess("cosine", 50)
TOKENS = CAPTIONS.encode(["a one", "two", "", "a"])
X = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Remembers(nn.Module):
    """Predict nothing, and remember what was given."""

    def __init__(self, shape: Any, condition: Any, **settings: Any) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.settings = settings | {"condition": condition}
        self.given: dict[str, Tensor] = {}

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor, **given: Tensor) -> Tensor:
        self.given = given | {"y": y, "x_t": x_t}
        return self.bias + 0 * x_t


def upsampler(network: Any = Remembers, **settings: Any) -> Upsampler:
    torch.manual_seed(0)
    return Upsampler(
        network, Images((3, 16, 16)), CAPTIONS,
        **{"process": PROCESS, "factor": 2, "objective": "simple", "sampler": partial(ddim, steps=3),
           "optimizer": partial(torch.optim.Adam, lr=0.01), "ema_decay": 0.0, **settings},
    )  # fmt: skip


def test_the_network_gets_the_caption_and_the_enlarged_image_with_its_level() -> None:
    method = upsampler(condition_dropout=0.0)
    assert method.denoiser.settings == {"condition": CAPTIONS, "outputs": 1, "extra_channels": 3, "with_level": True}
    method.loss(Batch(X, TOKENS))
    given = method.denoiser.given
    assert torch.equal(given["y"], TOKENS)
    level, low = given["level"], method.shrink(X)
    assert len(level.unique()) == 4
    # What was added is normal noise of the method's own process, at the small size.
    alpha, sigma = PROCESS.coefficients(low, level)
    assert given["extra"].shape == X.shape
    noise = (given["extra"] - enlarged(alpha * low, X)) / sigma
    assert noise.std() < 1.1
    assert noise.abs().max() > 0.5


def test_without_augmentation_the_image_is_as_it_is() -> None:
    method = upsampler(augmentation="none", level=0.0)
    method.loss(Batch(X, TOKENS))
    assert method.denoiser.given.keys() == {"extra", "y", "x_t"}
    torch.testing.assert_close(method.denoiser.given["extra"], enlarged(method.shrink(X), X))


def test_the_caption_is_dropped_and_the_image_never() -> None:
    method = upsampler(augmentation="none", level=0.0, condition_dropout=0.999)
    method.loss(Batch(X, TOKENS))
    assert torch.equal(method.denoiser.given["y"], CAPTIONS.null(4))
    torch.testing.assert_close(method.denoiser.given["extra"], enlarged(method.shrink(X), X))


def test_at_the_highest_level_nothing_is_left_of_the_image() -> None:
    network = partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(8,), dropout=0.0)

    def drawn(level: float, low: Tensor) -> Tensor:
        method = upsampler(network, level=level)
        awake(method.average.module)
        return method.upsample(low, TOKENS, noise=Noise(0))

    dark, bright = -torch.ones(4, 3, 8, 8), torch.ones(4, 3, 8, 8)
    shown = (drawn(0.0, dark) - drawn(0.0, bright)).abs().mean()
    assert shown > 0.01
    # But for the rest of a signal that a chain of fifty steps leaves.
    assert (drawn(1.0, dark) - drawn(1.0, bright)).abs().mean() < 0.1 * shown


def test_what_is_enlarged_has_256_levels_as_in_training() -> None:
    method = upsampler(level=0.0)
    low = torch.rand(4, 3, 8, 8) * 2 - 1
    method.upsample(low, TOKENS, noise=Noise(0))
    seen = method.average.module.given["extra"]
    torch.testing.assert_close(seen, enlarged(to_float(to_uint8(low)), seen))
    # Sampled from the rows of held-out pairs, it is the same.
    rows = method.condition_of(Batch(X, TOKENS))
    small = method.condition.split(rows)[1]
    torch.testing.assert_close(method.sample(4, rows, noise=Noise(1)), method.upsample(small, TOKENS, noise=Noise(1)))


def test_crops_and_their_small_images_are_of_the_same_place() -> None:
    method = upsampler(crop=8, augmentation="none", level=0.0)
    # Each pixel says where it is.
    places = torch.linspace(-1, 1, 256).view(1, 1, 16, 16).expand(4, 3, -1, -1)
    corners = set()
    for seed in range(4):
        torch.manual_seed(seed)
        squares = method._cropped(places, 8)
        assert squares.shape == (4, 3, 8, 8)
        index = ((squares[:, 0, 0, 0] + 1) * 127.5).round().long()
        assert not (index // 16 % 2).any()
        assert not (index % 16 % 2).any()
        corners |= set(index.tolist())
    assert len(corners) > 4
    method.loss(Batch(X, TOKENS))
    assert method.denoiser.given["extra"].shape == method.denoiser.given["x_t"].shape == (4, 3, 8, 8)


def test_states_of_a_text_encoder_take_the_tokens_place() -> None:
    encoder = Letters()
    method = upsampler(text_encoder=encoder)
    method.sample(4, method.condition_of(Batch(X, TOKENS)), noise=Noise(0))
    assert torch.equal(method.average.module.given["y"], encoder.encode_texts(["a one", "two", "", "a"])[0])


@pytest.mark.parametrize("objective", ["simple", "hybrid"])
def test_the_variance_is_learned_or_not(objective: str) -> None:
    method = upsampler(objective=objective)
    assert method.denoiser.settings["outputs"] == (1 if objective == "simple" else 2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"factor": 3}, "can't be shrunk by a factor of 3"),
        ({"level": 1.5}, r"level must be in \[0, 1\]"),
        ({"augmentation": "none"}, "set level=0"),
        ({"augmentation": "some"}, "augmentation"),
        ({"crop": 7}, "crop=7 must be a multiple"),
        ({"crop": 32}, "crop=32"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        upsampler(**{"level": 0.1, **settings})


def test_an_upsampler_that_fills_in_sees_what_is_known_before_the_small_image() -> None:
    method = upsampler(inpainting=True, augmentation="none", level=0.0, condition_dropout=0.0)
    assert method.denoiser.settings["extra_channels"] == 3 + 1 + 3
    method.loss(Batch(X, TOKENS))
    extra = method.denoiser.given["extra"]
    masked, mask, low = extra.split([3, 1, 3], dim=1)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(masked, X * mask)
    torch.testing.assert_close(low, enlarged(method.shrink(X), X))
    # Alone it knows no pixel.
    rows = method.condition_of(Batch(X, TOKENS))
    method.sample(4, rows, noise=Noise(0))
    assert not method.average.module.given["extra"][:, :4].any()


def test_known_pixels_are_kept_and_those_beneath_the_hole_are_not_seen() -> None:
    network = partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(8,), dropout=0.0)
    method = upsampler(network, inpainting=True)
    awake(method.average.module)
    mask = torch.ones(4, 1, 16, 16)
    mask[..., 4:12, 4:12] = 0
    low = method.shrink(X)
    filled = method.upsample(low, TOKENS, noise=Noise(0), known=X, mask=mask)
    assert torch.equal(filled * mask, X * mask)
    other = torch.where(mask.bool(), X, -X)
    assert torch.equal(method.upsample(low, TOKENS, noise=Noise(0), known=other, mask=mask), filled)


@pytest.mark.parametrize("patch", [1, 2])
def test_begun_with_an_upsampler_without_hints_it_is_that_one(patch: int) -> None:
    network = partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(8,), dropout=0.0, patch=patch)
    base, method = upsampler(network), upsampler(network, inpainting=True)
    awake(base.denoiser)
    weights = base.denoiser.state_dict()
    name = "denoiser.from_image.weight"
    adapted = method.adapted(name, weights["from_image.weight"], method.state_dict()[name].shape)
    assert adapted is not None
    method.denoiser.load_state_dict(weights | {"from_image.weight": adapted})
    x_t, t, low, level = torch.randn(4, 3, 16, 16), torch.rand(4), torch.randn(4, 3, 16, 16), torch.rand(4)
    hints = torch.randn(4, 4, 16, 16)
    expected = base.denoiser(x_t, t, TOKENS, extra=low, level=level)
    found = method.denoiser(x_t, t, TOKENS, extra=torch.cat([hints, low], dim=1), level=level)
    torch.testing.assert_close(found, expected)


def test_alone_it_fills_in_no_images() -> None:
    with pytest.raises(UserError, match="part of a cascade"):
        upsampler(inpainting=True).inpaint(X, torch.ones(16, 16), noise=Noise(0))
