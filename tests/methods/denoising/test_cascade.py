"""A cascade that fills in images: what each stage is given, and that nothing hidden reaches it."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.diffusion.samplers import ddim
from genbench.errors import UserError
from genbench.medium import Images, Latents
from genbench.methods.denoising.cascade import Cascade, shrunk
from genbench.methods.denoising.glide import GLIDE
from genbench.networks.unet import UNet
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.methods.denoising.test_upsampler import CAPTIONS, PROCESS, TOKENS, X, upsampler
from tests.networks.test_unet import awake

NETWORK = partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(8,), dropout=0.0)


def cascade(*, base_fills: bool = True, upsampler_fills: bool = True) -> Cascade:
    """Return an untrained cascade from 8 to 16 pixels, all of whose weights matter."""
    torch.manual_seed(0)
    base: Any = GLIDE(
        NETWORK, Images((3, 8, 8)), CAPTIONS, process=PROCESS, objective="simple", conditional=True,
        inpainting=base_fills, sampler=partial(ddim, steps=3), optimizer=partial(torch.optim.Adam, lr=0.01),
    )  # fmt: skip
    large = upsampler(NETWORK, inpainting=upsampler_fills)
    for method in (base, large):
        awake(method.average.module)
        freeze(method)
    return Cascade(base, large)


def truncated(cascade: Cascade) -> Cascade:
    return Cascade(cascade.base, cascade.upsampler, augmentation="truncated", level=0.5)


def mask_of(rows: slice, columns: slice) -> Tensor:
    mask = torch.ones(16, 16)
    mask[rows, columns] = 0
    return mask


def test_known_pixels_are_kept_and_hidden_ones_change_nothing() -> None:
    method, mask = cascade(), mask_of(slice(3, 9), slice(5, 12))
    filled = method.inpaint(X, mask, TOKENS, noise=Noise(0))
    assert torch.equal(filled * mask, X * mask)
    hidden = torch.where(mask.bool(), X, torch.randn_like(X))
    assert torch.equal(method.inpaint(hidden, mask, TOKENS, noise=Noise(0)), filled)
    assert not torch.equal(method.inpaint(X, mask, noise=Noise(0)), filled)


def test_a_small_pixel_is_known_where_all_of_its_block_is() -> None:
    known, mask = shrunk(X, mask_of(slice(3, 4), slice(0, 16)).expand(4, 1, 16, 16), 8)
    assert mask[0, 0, :, 0].tolist() == [1, 0, 1, 1, 1, 1, 1, 1]
    torch.testing.assert_close(known[:, :, 0, 0], X[:, :, :2, :2].mean((2, 3)))


def test_a_part_that_was_not_trained_for_it_is_named() -> None:
    mask = mask_of(slice(0, 8), slice(0, 8))
    with pytest.raises(UserError, match=r"^parts.base must be trained with method.inpainting=true"):
        cascade(base_fills=False).inpaint(X, mask, TOKENS, noise=Noise(0))
    with pytest.raises(UserError, match=r"^parts.upsampler must be"):
        cascade(upsampler_fills=False).inpaint(X, mask, TOKENS, noise=Noise(0))


def test_a_truncated_cascade_says_that_it_fills_in_nothing() -> None:
    mask = mask_of(slice(0, 8), slice(0, 8))
    with pytest.raises(UserError, match=r"assemble the cascade with method.augmentation=non_truncated"):
        truncated(cascade()).inpaint(X, mask, TOKENS, noise=Noise(0))


def test_the_highest_level_hides_the_small_image() -> None:
    parts = cascade()
    hidden = Cascade(parts.base, parts.upsampler, level=1.0)
    assert hidden.sample(4, TOKENS, noise=Noise(0)).isfinite().all()
    with pytest.raises(ValueError, match=r"leaves parts\.upsampler nothing but noise"):
        Cascade(parts.base, parts.upsampler, augmentation="truncated", level=1.0)


def test_a_caption_that_an_upsampler_can_not_read_is_said_of_it() -> None:
    method = cascade()
    method.upsampler.shown = Captions(["a"], 2)
    method.upsampler.joint.shown = method.upsampler.shown
    with pytest.raises(UserError, match=r"^parts.upsampler can't read a caption: 'a one'"):
        method.sample(1, CAPTIONS.encode(["a one"]), noise=Noise(0))


def test_what_draws_of_small_images_or_of_latents_is_no_base() -> None:
    method = cascade()
    with pytest.raises(ValueError, match="a base draws of a caption, a class or nothing"):
        Cascade(method.upsampler, method.upsampler)
    method.base.space = Latents((3, 8, 8))
    with pytest.raises(ValueError, match="denoise images themselves, not latents"):
        truncated(method)
    with pytest.raises(UserError, match="latents"):
        method.base.sample_until(0.5, 1, CAPTIONS.null(1), noise=Noise(0))
