"""Imagen: diffusion conditioned on a frozen text encoder, and what dynamic thresholding does."""

from functools import partial
from typing import Any

import pytest
import torch

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.diffusion.estimates import threshold
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.denoising.imagen import Imagen
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.kinds import classes
from tests.language_models import Letters
from tests.networks.test_unet import SMALL, awake

CAPTIONS = Captions(["a", "one", "two"], 4)
ROWS = CAPTIONS.encode(["a one", "two"])


def imagen(**settings: Any) -> Imagen:
    torch.manual_seed(0)
    method = Imagen(
        partial(UNet, **SMALL), Images((1, 8, 8)), **{"condition": CAPTIONS, **settings}, text_encoder=Letters(),
        process=DiscreteProcess("cosine", 20), sampler=partial(ddim, steps=2, clamp="dynamic"),
        optimizer=partial(torch.optim.Adam, lr=0.01), ema_decay=0.0,
    )  # fmt: skip
    awake(method.average.module)
    return method


def test_no_caption_is_the_empty_text_for_all_prompts() -> None:
    method = imagen()
    network = method.average.module
    empty = method.text_encoder.encode_texts([""])[0]
    assert torch.equal(network.embed_condition.null, empty)
    x_t, t = torch.randn(2, 1, 8, 8), torch.tensor([0.3, 0.7])
    nothing = method.predict(network, x_t, t, None)
    torch.testing.assert_close(method.predict(network, x_t, t, method.unconditioned(ROWS)), nothing)
    assert not torch.allclose(method.predict(network, x_t, t, ROWS), nothing, atol=1e-3)


def test_guidance_of_minus_one_and_of_none() -> None:
    method = imagen()
    x_t, t = torch.randn(2, 1, 8, 8), torch.tensor(0.5)
    conditional = method.denoise_with(ROWS)(x_t, t).x_0
    unconditional = method.denoise_with(None)(x_t, t).x_0
    torch.testing.assert_close(method.denoise_with(ROWS, guidance=-1.0)(x_t, t).x_0, unconditional)
    guided = method.denoise_with(ROWS, guidance=1.0)(x_t, t).x_0
    torch.testing.assert_close(guided, 2 * conditional - unconditional, atol=1e-4, rtol=1e-4)


def test_it_learns_from_texts_and_leaves_the_encoder_out_of_its_weights() -> None:
    method = imagen(condition_dropout=0.0)
    method.text_encoder.encoded.clear()
    x = torch.rand(2, 1, 8, 8) * 2 - 1
    method.loss(Batch(x, ROWS))[0].backward()
    assert method.text_encoder.encoded == ["a one", "two"]
    assert not any("text_encoder" in name for name in method.state_dict())
    assert method.sample(2, ROWS, noise=Noise(0)).abs().max() <= 1


def test_attention_maps_are_of_words_and_captions_are_needed() -> None:
    with pytest.raises(UserError, match="language model's tokens"):
        imagen().attention_maps(2, ROWS, noise=Noise(0))
    with pytest.raises(ValueError, match="data with captions"):
        imagen(condition=classes(3))


def test_dynamic_thresholding() -> None:
    inside = torch.rand(3, 1, 32, 32) * 2 - 1
    # What lies within the bounds stays.
    assert torch.equal(threshold(inside, (-1.0, 1.0)), inside)
    outside = 3 * torch.randn(3, 1, 32, 32)
    found = threshold(outside, (-1.0, 1.0))
    assert found.abs().max() == 1
    s = outside.abs().flatten(1).quantile(0.995, dim=1).view(3, 1, 1, 1)
    torch.testing.assert_close(found, outside.clamp(-s, s) / s)
    # Each sample by itself, and twice the estimate gives the same image.
    torch.testing.assert_close(threshold(outside[:1], (-1.0, 1.0)), found[:1])
    torch.testing.assert_close(threshold(2 * outside, (-1.0, 1.0)), found)


def test_captions_are_encoded_once_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    method = imagen(guidance=2.0)
    read: list[list[str]] = []
    encode = method.text_encoder.encode_texts

    def encode_texts(texts: list[str]) -> Any:
        read.append(texts)
        return encode(texts)

    monkeypatch.setattr(method.text_encoder, "encode_texts", encode_texts)
    method.sample(2, ROWS, noise=Noise([0, 1]))
    assert read == [["a one", "two"], ["", ""]]
