"""A diffusion model that a CLIP of noisy images guides to captions."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.diffusion.guidance import clip_guided
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral, ddim
from genbench.errors import UserError
from genbench.medium import Images, Latents
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.guided_by_clip import GuidedByClip
from genbench.parts import freeze, frozen_in
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (3, 4, 4)
PROCESS = DiscreteProcess("cosine", 50)
CAPTIONS = Captions(["dark", "bright"], 2)
TURNED = Captions(["bright", "very", "dark"], 3)
"""The same words under other numbers."""


class Shade(nn.Module):
    """Predict noise as if images were as bright as their caption's first token is large."""

    def __init__(self, shape: tuple[int, ...], condition: Condition | None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        shade = 0.0 if y is None else 0.1 * y[:, 0].view(-1, 1, 1, 1)
        return self.bias + 0.5 * x_t - shade


class Brightness(nn.Module):
    """What a CLIP is asked for: images and texts lie on a half circle, from dark to bright."""

    logit_scale = 10.0

    def __init__(self, condition: Captions = CAPTIONS, process: DiscreteProcess = PROCESS, side: int = 4) -> None:
        super().__init__()
        self.medium, self.condition, self.process = Images((3, side, side)), condition, process
        self.weight = nn.Parameter(torch.ones(()))

    def embed_texts(self, rows: Tensor) -> Tensor:
        bright = torch.tensor(["bright" in text for text in self.condition.describe(rows)])
        return self.weight * torch.stack([torch.ones(len(rows)), 3.0 * bright - 1.5], dim=1)

    def embed_noisy(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.weight * torch.stack([torch.ones_like(t), (2 - t) * x_t.flatten(1).mean(1)], dim=1)


def denoiser(condition: Condition | None = None, **settings: Any) -> DDPM:
    sampler = partial(ddim, steps=10)
    adam = partial(torch.optim.Adam, lr=0.1)
    given = {"conditional": condition is not None} | settings
    return DDPM(Shade, Images(SHAPE), condition, process=PROCESS, sampler=sampler, optimizer=adam, **given)


def assembled(
    of: DDPM | None = None, clip: Any = None, *, condition: Captions = CAPTIONS, sampler: Any = None, **settings: Any
) -> GuidedByClip:
    parts = of or denoiser(), clip or Brightness()
    for part in parts:
        freeze(part)
    return GuidedByClip(*parts, condition, sampler=sampler or partial(ddim, steps=10), **settings)


def rows(captions: Captions = CAPTIONS) -> Tensor:
    return captions.encode(["dark", "bright"] * 4)


def draw(method: GuidedByClip, captions: Captions = CAPTIONS) -> Tensor:
    return method.sample(8, rows(captions), noise=Noise(0))


@pytest.mark.parametrize("sampler", [partial(ddim, steps=10), partial(ddim, steps=10, eta=1.0), ancestral])
def test_without_guidance_it_is_the_denoiser_bit_for_bit(sampler: Any) -> None:
    plain, of_captions = denoiser(), denoiser(CAPTIONS, guidance=0.7)
    for each in (plain, of_captions):
        each.sampler = sampler
    unguided = draw(assembled(plain, sampler=sampler, guidance=0.0))
    assert torch.equal(unguided, plain.sample(8, noise=Noise(0)))
    # The denoiser's own guidance is a setting of its own.
    both = draw(assembled(of_captions, sampler=sampler, guidance=0.0, classifier_free_guidance=0.7))
    assert torch.equal(both, of_captions.sample(8, rows(), noise=Noise(0)))
    assert not torch.equal(both, draw(assembled(of_captions, sampler=sampler, guidance=0.0)))


@pytest.mark.parametrize("sampler", [partial(ddim, steps=10), ancestral])
def test_guidance_leads_to_the_caption_and_its_opposite_away(sampler: Any) -> None:
    method = assembled(sampler=sampler, guidance=0.01)
    clip: Any = method.clip

    def similarity(samples: Tensor) -> Tensor:
        images, texts = clip.embed_noisy(samples, torch.zeros(8)), clip.embed_texts(rows())
        return nn.functional.cosine_similarity(images, texts)

    plain = draw(assembled(sampler=sampler, guidance=0.0))
    guided, more = draw(method), draw(assembled(sampler=sampler, guidance=0.02))
    assert (similarity(guided) > similarity(plain)).all()
    assert (similarity(more) > similarity(guided)).all()
    # A flipped sign, as of a loss that was taken for a log probability.
    method.guidance = -0.01
    assert (similarity(draw(method)) < similarity(plain)).all()


def test_the_gradient_is_that_of_the_logit_of_each_sample_alone() -> None:
    method = assembled(guidance=1.5)
    clip, y = method.clip, rows()
    x, t = torch.randn(8, *SHAPE).double(), torch.tensor(0.4)
    gradient = method.guided(y)(x, t).gradient
    assert gradient is not None

    def logits(x_t: Tensor) -> Tensor:
        images, texts = clip.embed_noisy(x_t, torch.full((8,), 0.4).double()), clip.embed_texts(y).double()
        return 10.0 * nn.functional.cosine_similarity(images, texts)

    with torch.no_grad():
        for place in ((0, 0, 0), (2, 3, 1)):
            step = torch.zeros(SHAPE).double()
            step[place] = 1e-5
            slope = (logits(x + step) - logits(x - step)) / 2e-5
            torch.testing.assert_close(gradient[(slice(None), *place)], 1.5 * slope, atol=1e-6, rtol=1e-4)
    # Neither the scale of the batch nor of the embeddings matters, and it is linear in s.
    alone = method.guided(y[:1])(x[:1], t).gradient
    torch.testing.assert_close(alone, gradient[:1])
    denoise = method.denoiser.denoise_with(None)
    larger = clip_guided(denoise, clip.embed_noisy, 7 * clip.embed_texts(y), 10.0, 3.0)(x, t).gradient
    torch.testing.assert_close(larger, 2 * gradient)


def test_what_the_denoiser_is_given() -> None:
    of_captions = denoiser(CAPTIONS)
    caption, nothing = (assembled(of_captions, guidance=2.0, denoiser_given=each) for each in ("caption", "nothing"))
    x, t = torch.randn(8, *SHAPE), torch.tensor(0.4)
    for method, expected in ((caption, rows()), (nothing, CAPTIONS.null(8))):
        found, own = method.guided(rows())(x, t), of_captions.denoise_with(expected)(x, t)
        assert torch.equal(found.x_0, own.x_0)
        assert found.gradient is not None
    assert assembled(of_captions).denoiser_given == "caption"
    assert assembled(denoiser()).denoiser_given == "nothing"


def test_each_part_reads_the_captions_by_its_own_tokenizer() -> None:
    expected = draw(assembled(denoiser(CAPTIONS), guidance=2.0))
    # The data's, whose rows the method is given, may be others than either part's.
    assert torch.equal(draw(assembled(denoiser(CAPTIONS), Brightness(TURNED), guidance=2.0)), expected)
    whole = assembled(denoiser(CAPTIONS), Brightness(TURNED), condition=TURNED, guidance=2.0)
    assert torch.equal(draw(whole, TURNED), expected)
    method = assembled(denoiser(), condition=TURNED)
    with pytest.raises(UserError, match=r"parts\.clip can't read a caption: 'very bright': no caption has the word"):
        method.sample(1, TURNED.encode(["very bright"]), noise=Noise(0))
    method = assembled(denoiser(CAPTIONS), condition=TURNED, guidance=0.0)
    with pytest.raises(UserError, match=r"parts\.denoiser can't read a caption: 'very dark'"):
        method.sample(1, TURNED.encode(["very dark"]), noise=Noise(0))
    # What has no word here has none anywhere.
    method = assembled(denoiser(), Brightness(TURNED))
    with pytest.raises(UserError, match="vocabulary of its own data lacks"):
        method.sample(1, CAPTIONS.encode(["green"]), noise=Noise(0))


def test_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"parts\.denoiser and parts\.clip were trained by different forward"):
        assembled(clip=Brightness(process=DiscreteProcess("linear", 50)))
    with pytest.raises(ValueError, match=r"\(3, 4, 4\), and parts.clip takes \(3, 8, 8\)"):
        assembled(clip=Brightness(side=8))
    latent = denoiser()
    latent.space = Latents((4, 2, 2))
    with pytest.raises(ValueError, match=r"parts.denoiser denoises latents, and parts.clip takes noisy images"):
        assembled(latent)
    with pytest.raises(ValueError, match="unconditional, or conditioned on captions"):
        assembled(denoiser(classes(2)))
    with pytest.raises(ValueError, match="data with captions"):
        assembled(condition=classes(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="denoiser_given=caption takes"):
        assembled(denoiser_given="caption")
    with pytest.raises(ValueError, match="must be caption or nothing"):
        assembled(denoiser_given="all")
    for given in ({"of": denoiser()}, {"of": denoiser(CAPTIONS), "denoiser_given": "nothing"}):
        with pytest.raises(ValueError, match="classifier_free_guidance takes"):
            assembled(**given, classifier_free_guidance=1.0)  # type: ignore[arg-type]
    for name in ("guidance", "classifier_free_guidance"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0"):
            assembled(denoiser(CAPTIONS), **{name: -1.0})


def test_there_is_nothing_to_train() -> None:
    method = assembled()
    assert set(frozen_in(method)) == {"denoiser", "clip"}
    assert list(method.parameters()) == []
    assert method.state_dict() == {}
    with pytest.raises(UserError, match="set steps=0"):
        method.training_step(None, 0)
