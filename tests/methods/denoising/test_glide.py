"""GLIDE: guidance of the noise alone, hints for inpainting, and a fine-tuning that begins as its base."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Tokens
from genbench.conditions.captions import Captions
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral, ddim, predictor_corrector
from genbench.errors import UserError
from genbench.medium import Images, Points
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.glide import GLIDE
from genbench.networks.conditioning import ConditionEncoder, Encoded
from genbench.networks.glide_text import GlideText
from genbench.networks.unet import UNet
from genbench.random_masks import ALL_HIDDEN, random_masks
from genbench.randomness import Noise
from tests.filling_in import check_filling_in
from tests.networks.test_unet import awake

WORDS = Captions(["red", "three"], 4)
UNET = {"width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (), "dropout": 0.0}
TEXT = partial(GlideText, width=8, layers=1, heads=2)


def glide(channels: int = 3, patch: int = 1, kind: type = GLIDE, **settings: Any) -> Any:
    return kind(
        partial(UNet, text=settings.pop("text", TEXT), patch=patch, **UNET),
        Images((channels, 8, 8)),
        WORDS,
        process=DiscreteProcess("cosine", 20),
        sampler=settings.pop("sampler", partial(ancestral, steps=5)),
        optimizer=torch.optim.Adam,
        conditional=True,
        **settings,
    ).eval()


def awoken(method: Any) -> Any:
    awake(method.denoiser)
    method.average.module.load_state_dict(method.denoiser.state_dict())
    return method


def test_the_simple_objective_is_ddpm() -> None:
    simple, plain = awoken(glide(objective="simple")), awoken(glide(kind=DDPM))
    assert simple.state_dict().keys() == plain.state_dict().keys()
    x_0, t, y = torch.rand(4, 3, 8, 8), torch.rand(4), WORDS.encode(["red", "three", "", "red three"])
    losses = []
    for method in (simple, plain):
        torch.manual_seed(1)
        losses.append(method.losses(x_0, t, y))
    assert torch.equal(*losses)
    samples = [method.sample(2, y[:2], noise=Noise(0)) for method in (simple, plain)]
    assert torch.equal(*samples)


def test_guidance_moves_the_noise_and_leaves_the_variance() -> None:
    method = awoken(glide(objective="hybrid", condition_dropout=0.2))
    y, x_t, t = WORDS.encode(["red", "three"]), torch.randn(2, 3, 8, 8), torch.tensor(0.5, dtype=torch.float64)
    conditional, unconditional = (
        method.average.module(x_t, torch.full((2,), 0.5), rows) for rows in (y, WORDS.null(2))
    )
    guided = method.guide(conditional, unconditional, 2.0)
    # The authors' convention: s = w + 1.
    expected = unconditional[:, :3] + 3.0 * (conditional[:, :3] - unconditional[:, :3])
    torch.testing.assert_close(guided[:, :3], expected)
    assert torch.equal(guided[:, 3:], conditional[:, 3:])
    estimates = [method.denoise_with(y, guidance=w)(x_t, t) for w in (0.0, 2.0)]
    assert torch.equal(estimates[0].variance_fraction, estimates[1].variance_fraction)
    assert not torch.allclose(estimates[0].x_0, estimates[1].x_0, atol=1e-3)
    # Guided by the empty caption, the empty caption is what it was, whatever the scale.
    empty = [method.denoise_with(WORDS.null(2), guidance=w)(x_t, t).x_0 for w in (0.0, 2.0)]
    torch.testing.assert_close(*empty)


@pytest.mark.parametrize(("channels", "patch"), [(3, 1), (1, 2), (3, 2)])
def test_at_first_it_is_the_base_whatever_is_known(channels: int, patch: int) -> None:
    base = awoken(glide(channels, patch))
    method = glide(channels, patch, inpainting=True)
    own = method.state_dict()
    state = {}
    for name, value in base.state_dict().items():
        state[name] = value if value.shape == own[name].shape else method.adapted(name, value, own[name].shape)
    adapted = [name for name, value in base.state_dict().items() if value.shape != own[name].shape]
    assert adapted == ["denoiser.from_image.weight", "average.module.from_image.weight"]
    method.load_state_dict(state)
    x_t, t, y = torch.randn(3, channels, 8, 8), torch.rand(3), WORDS.encode(["red", "three", ""])
    extra = torch.randn(3, channels + 1, 8, 8)
    torch.testing.assert_close(method.denoiser(x_t, t, y, extra=extra), base.denoiser(x_t, t, y))
    torch.testing.assert_close(
        method.sample(2, y[:2], noise=Noise(3)), base.sample(2, y[:2], noise=Noise(3)), atol=1e-4, rtol=1e-4
    )


def test_only_the_first_layer_is_adapted_and_only_by_hints() -> None:
    method = glide(inpainting=True)
    shape = method.denoiser.from_image.weight.shape
    assert method.adapted("denoiser.from_image.weight", torch.zeros(8, 3, 5, 5), shape) is None
    assert method.adapted("denoiser.from_image.weight", torch.zeros(8, 2, 3, 3), shape) is None
    assert method.adapted("denoiser.to_image.2.weight", torch.zeros(8, 3, 3, 3), shape) is None
    assert glide().adapted("denoiser.from_image.weight", torch.zeros(8, 2, 3, 3), torch.Size((8, 6, 3, 3))) is None


@pytest.mark.parametrize(
    "sampler",
    [partial(ancestral, steps=4), partial(ddim, steps=3, clamp="dynamic")],
)
def test_known_pixels_are_kept_exactly_and_seen(sampler: Any) -> None:
    method = awoken(glide(inpainting=True, objective="simple", guidance=1.5, sampler=sampler))
    known, mask = 2 * torch.rand(2, 3, 8, 8) - 1, torch.ones(8, 8)
    mask[2:6, 2:5] = 0
    y = WORDS.encode(["red", "three"])
    check_filling_in(method, known, mask, y)


def test_known_pixels_are_kept_by_a_sampler_that_ends_with_noise() -> None:
    method = awoken(glide(inpainting=True, sampler=partial(predictor_corrector, steps=3)))
    known, mask = 2 * torch.rand(2, 3, 8, 8) - 1, (torch.rand(8, 8) < 0.5).float()
    filled = method.inpaint(known, mask, noise=Noise(0))
    assert torch.equal(filled * mask, known * mask)


def test_training_gives_the_masked_image_and_its_mask() -> None:
    method, seen = glide(inpainting=True), []

    def network(x_t: Tensor, t: Tensor, y: Tensor, *, extra: Tensor) -> Tensor:
        seen.append(extra)
        return torch.zeros(len(x_t), 6, 8, 8)

    method.denoiser.forward = network
    x_0 = torch.rand(64, 3, 8, 8) + 0.1
    method.losses(x_0, torch.rand(64), WORDS.null(64))
    image, mask = seen[0][:, :3], seen[0][:, 3:]
    assert torch.equal(image, x_0 * mask)
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_a_quarter_of_the_masks_hides_all_and_none_shows_all() -> None:
    torch.manual_seed(0)
    masks = random_masks(4000, 16, 12)
    assert masks.shape == (4000, 1, 16, 12)
    known = masks.flatten(1).mean(1)
    assert (known == 0).float().mean() == pytest.approx(ALL_HIDDEN, abs=0.03)
    assert (known == 1).float().mean() < 0.02
    assert 0.4 < known[known > 0].mean() < 0.85
    torch.manual_seed(0)
    assert torch.equal(random_masks(4000, 16, 12), masks)


def test_points_are_not_filled_in() -> None:
    with pytest.raises(ValueError, match="fills in images"):
        GLIDE(
            partial(UNet, **UNET), Points((5, 3)), inpainting=True, process=DiscreteProcess("cosine", 20),
            sampler=ddim, optimizer=torch.optim.Adam,
        )  # fmt: skip


class Bag(ConditionEncoder):
    """The sum of what each word adds to the vector: there is no sequence to attend to."""

    def __init__(self, form: Tokens, width: int) -> None:
        super().__init__()
        self.of_words = nn.EmbeddingBag(form.vocabulary, width, mode="sum")

    def forward(self, rows: Tensor) -> Encoded:
        return Encoded(vector=self.of_words(rows))


def test_a_network_that_attends_to_no_word_is_refused_before_it_draws() -> None:
    def draw(*_: Any) -> Tensor:
        raise AssertionError("drawn all the same")

    method = glide(sampler=draw, text=Bag)
    with pytest.raises(UserError, match=r"^this network attends to no text$"):
        method.attention_maps(1, WORDS.encode(["red"]), noise=Noise(0))
