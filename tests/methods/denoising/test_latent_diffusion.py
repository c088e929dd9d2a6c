"""Latent diffusion: the scale of latents, and that images are those of the first stage."""

from functools import partial
from typing import Any

import pytest
import torch

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.denoising.latent_diffusion import LatentDiffusion
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.first_stages import Halves
from tests.kinds import classes
from tests.language_models import Letters
from tests.networks.test_unet import SMALL, awake

CAPTIONS = Captions(["a", "one", "two"], 4)
X = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


SHAPE = (1, 16, 16)


def make(first_stage: Any = None, **settings: Any) -> LatentDiffusion:
    torch.manual_seed(0)
    method = LatentDiffusion(
        partial(UNet, **SMALL), Images((1, 16, 16)), **{"condition": None, **settings},
        first_stage=first_stage or Halves(SHAPE), process=DiscreteProcess("cosine", 20), sampler=partial(ddim, steps=2),
        optimizer=partial(torch.optim.Adam, lr=0.01), ema_decay=0.0,
    )  # fmt: skip
    awake(method.average.module)
    return method


@pytest.mark.parametrize("factor", [0.01, 5.0])
def test_latents_are_as_large_as_the_noise_whatever_the_first_stage_made_of_them(factor: float) -> None:
    method = make(Halves(SHAPE, factor))
    method.measure([X[:2], X[2:]])
    z = method.to_space(X)
    assert z.std(correction=0).item() == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(method.from_space(z), Halves(SHAPE).decode(Halves(SHAPE).encode(X)))


def test_the_deviation_is_kept_with_the_weights_and_measured_once() -> None:
    method, other = make(), make()
    method.measure([X])
    other.load_state_dict(method.state_dict())
    # There is no trainer whose data it could measure.
    other.on_train_start()
    assert torch.equal(other.latent_std, method.latent_std)
    assert not any("first_stage" in name for name in method.state_dict())


def test_a_deviation_that_is_set_is_not_measured() -> None:
    method = make(latent_std=1 / 0.18215)
    method.on_train_start()
    torch.testing.assert_close(method.to_space(X), 0.18215 * Halves(SHAPE).encode(X))


def test_latents_may_be_drawn_anew_in_each_step() -> None:
    method = make(latents="draws", latent_std=1.0)
    one, other = method.to_space(X), method.to_space(X)
    assert (one - other).std().item() == pytest.approx(2**0.5, rel=0.1)
    assert torch.equal(make(latent_std=1.0).to_space(X), Halves(SHAPE).encode(X))


def test_samples_are_images_of_latents_without_bounds() -> None:
    method = make(condition=classes(3), conditional=True, guidance=1.0)
    y = torch.tensor([0, 1, 2, 0])
    found = method.sample(4, y, noise=Noise(0))
    assert found.shape == (4, 1, 16, 16)
    assert torch.equal(found, method.sample(4, y, noise=Noise(0)))
    assert method.bounds is None


def test_captions_may_be_attended_to_as_states_of_a_language_model() -> None:
    method = make(condition=CAPTIONS, conditional=True, text_encoder=Letters(), condition_dropout=0.0)
    method.text_encoder.encoded.clear()
    method.loss(Batch(X[:2], CAPTIONS.encode(["a one", "two"])))[0].backward()
    assert method.text_encoder.encoded == ["a one", "two"]
    with pytest.raises(UserError, match="language model's tokens"):
        method.attention_maps(1, CAPTIONS.encode(["two"]), noise=Noise(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_std": 0.0}, "latent_std must be positive"),
        ({"latents": "modes"}, "latents must be means or draws"),
        ({"first_stage": Halves(SHAPE, latent_shape=(64,))}, "such as kl_autoencoder or vqgan"),
        ({"text_encoder": Letters()}, "takes data with captions"),
        ({"text_encoder": Letters(), "condition": CAPTIONS}, "no effect without method.conditional=true"),
    ],
)
def test_what_does_not_fit_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_a_first_stage_of_other_images_is_refused() -> None:
    first_stage = Halves(SHAPE)
    first_stage.medium = Images((3, 16, 16))
    with pytest.raises(ValueError, match=r"encodes images of shape \(3, 16, 16\), and the data has \(1, 16, 16\)"):
        make(first_stage)
