"""Filling in images by a diffusion model of latents: what its network is given, and what becomes of known pixels."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.derived import LowResolution
from genbench.errors import UserError
from genbench.methods.denoising.latent_diffusion import LatentDiffusion
from genbench.methods.denoising.latent_hints import LatentHints
from genbench.randomness import Noise
from tests.filling_in import check_filling_in
from tests.first_stages import Halves
from tests.kinds import classes
from tests.language_models import Letters
from tests.methods.denoising.test_latent_diffusion import CAPTIONS, SHAPE, X, make
from tests.networks.test_unet import awake

SIDES: dict[str, Any] = {"condition": CAPTIONS, "conditional": True, "condition_dropout": 0.2}
ROWS = CAPTIONS.encode(["a one", "two", "one", "", "a two", "one"])


def fills_in(**settings: Any) -> LatentDiffusion:
    # Estimates of x_0, so that untrained weights do not draw black and white alone.
    return make(inpainting=True, latent_std=2.0, prediction="x_0", **settings)


def hole() -> Tensor:
    mask = torch.ones(16, 16)
    mask[4:10, 6:12] = 0
    return mask


def test_hints_are_latents_of_the_known_part_and_how_much_is_known() -> None:
    hints = LatentHints(None, (2, 8, 8))
    mask = hole().expand(6, 1, 16, 16).clone()
    # Of one place of the map three of four pixels are known.
    mask[..., 0, 0] = 0
    found = hints.make(Halves(SHAPE, 1.0).encode, X, mask)
    assert found.shape == (6, 3, 8, 8)
    assert found[0, 2, 0, 0] == 0.75
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:5, 3:6] = True
    assert not found[:, :, inside].any()
    outside = ~inside
    outside[0, 0] = False
    torch.testing.assert_close(found[:, :2, outside], Halves(SHAPE, 1.0).encode(X)[..., outside])
    assert (found[:, 2, outside] == 1).all()
    # What is hidden says nothing.
    other = torch.where(mask.bool(), X, -X)
    assert torch.equal(hints.make(Halves(SHAPE, 1.0).encode, other, mask), found)


@pytest.mark.parametrize("condition", [None, CAPTIONS, classes(3)])
def test_rows_hold_both(condition: Any) -> None:
    hints = LatentHints(condition, (2, 8, 8))
    own, given = torch.randn(2, 3, 8, 8), None if condition is None else condition.null(2)
    rows = hints.pack(given, own)
    y, found = hints.split(rows)
    assert found is not None
    assert torch.equal(found, own)
    assert (y is None) if given is None else torch.equal(y, given)
    for plain in (given, None):
        same, nothing = hints.split(plain)
        assert nothing is None
        assert same is plain


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (SIDES, ROWS),
        ({**SIDES, "guidance": 1.5}, ROWS),
        ({**SIDES, "condition": classes(3)}, torch.arange(6) % 3),
        ({**SIDES, "text_encoder": Letters()}, ROWS),
        ({}, None),
    ],
)
def test_known_pixels_are_kept_exactly_and_seen(settings: dict[str, Any], rows: Any) -> None:
    method, mask = fills_in(**settings), hole()
    filled = check_filling_in(method, X, mask, rows)
    if rows is not None:
        # Without a condition, also if it is conditional.
        method.inpaint(X, mask, noise=Noise(0))
    # Each image may have a mask of its own.
    assert torch.equal(method.inpaint(X, mask.expand(6, 1, 16, 16), rows, noise=Noise(0)), filled)


def test_it_fills_in_beside_a_condition_derived_from_images() -> None:
    method = fills_in(derive=LowResolution(2), condition_dropout=0.0)
    rows = method.condition_of(Batch(X, None))
    filled = method.inpaint(X, hole(), rows, noise=Noise(0))
    assert not torch.equal(method.inpaint(X, hole(), -rows, noise=Noise(0)), filled)


def test_training_gives_the_hints_of_random_masks_and_drops_captions_alone() -> None:
    method, seen = fills_in(**{**SIDES, "condition_dropout": 0.5}), []

    def network(z_t: Tensor, t: Tensor, y: Tensor, *, extra: Tensor) -> Tensor:
        seen.append((y, extra))
        return torch.zeros_like(z_t) + 0 * next(method.denoiser.parameters()).sum()

    method.denoiser.forward = network  # type: ignore[method-assign]
    x, rows = X[:1].expand(256, -1, -1, -1) + 0.0, CAPTIONS.encode(["a one"]).expand(256, -1)
    method.loss(Batch(x, rows))
    ((y, extra),) = seen
    dropped = (y == CAPTIONS.null(1)).all(1)
    assert 0.3 < dropped.float().mean() < 0.7
    assert torch.equal(y[~dropped], rows[~dropped])
    latents, known = extra[:, :-1], extra[:, -1:]
    assert torch.equal(latents * (known == 1), Halves(SHAPE).encode(x) / 2.0 * (known == 1))
    nothing_known = (known == 0).flatten(1).all(1).float().mean()
    assert 0.1 < nothing_known < 0.4


def test_at_first_it_is_the_base_whatever_is_known() -> None:
    base = make(latent_std=2.0, prediction="x_0", **SIDES)
    awake(base.denoiser)
    method = fills_in(**SIDES)
    own = method.state_dict()
    state = {
        name: value if value.shape == own[name].shape else method.adapted(name, value, own[name].shape)
        for name, value in base.state_dict().items()
    }
    method.load_state_dict(state)  # type: ignore[arg-type]
    found = method.inpaint(X, torch.zeros(16, 16), ROWS, noise=Noise(0))
    torch.testing.assert_close(found, base.sample(6, ROWS, noise=Noise(0)), atol=1e-4, rtol=1e-4)
    filled = method.inpaint(X, hole(), ROWS, noise=Noise(0))
    torch.testing.assert_close(filled, torch.where(hole().bool(), X, found), atol=1e-4, rtol=1e-4)


def test_latents_are_not_encoded_once() -> None:
    assert "inpainting=true hides" in (fills_in().varies or "")
    assert make().varies is None


def test_one_that_was_not_trained_for_it_says_so() -> None:
    with pytest.raises(UserError, match=r"of latents fills in images if it was trained with method\.inpainting=true"):
        make().inpaint(X, hole(), noise=Noise(0))
