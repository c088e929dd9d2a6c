"""unCLIP's decoder and the assembled model: what is given to whom, inversion, and parts that do not go together."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.abilities import DecodesEmbeddings, DrawsEmbeddings, FollowsTexts
from genbench.batch import Batch
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.medium import Images
from genbench.methods.denoising.unclip import UnCLIP
from genbench.methods.denoising.unclip_decoder import UnclipDecoder
from genbench.networks.convolutional_text import ConvolutionalText
from genbench.networks.unet import UNet
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.embedders import CAPTIONS, Brightness
from tests.methods.denoising.test_prior import LEVELS, ROWS, X, prior
from tests.networks.test_unet import awake

NETWORK = partial(
    UNet, width=8, multipliers=(1, 2), blocks=1, attention=(4,), dropout=0.0, text=partial(ConvolutionalText, width=8)
)


def decoder(sha256: str | None = None, **settings: Any) -> UnclipDecoder:
    torch.manual_seed(0)
    clip = Brightness()
    freeze(clip, sha256)
    method = UnclipDecoder(
        NETWORK, Images((1, 8, 8)), CAPTIONS, embedder=clip,
        **{"process": DiscreteProcess("cosine", 200), "objective": "simple", "sampler": partial(ddim, steps=50),
           "optimizer": partial(torch.optim.Adam, lr=3e-3), "ema_decay": 0.0, **settings},
    )  # fmt: skip
    awake(method.average.module)
    return method


def test_rows_hold_the_caption_and_the_embedding_of_the_image() -> None:
    method = decoder()
    rows = method.condition_of(Batch(X, ROWS))
    tokens, z = method.condition.form.split(rows)
    assert torch.equal(tokens, ROWS)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(z[:, 1], LEVELS.sin())
    assert method.condition.describe(rows) == ["dark", "bright", "grey", "bright"]


def test_captions_and_embeddings_are_dropped_each_for_itself() -> None:
    method = decoder(condition_dropout=0.2, caption_dropout=0.6)
    rows = method.condition_of(Batch(X[:1].repeat(4000, 1, 1, 1), ROWS[:1].repeat(4000, 1)))
    tokens, z = method.condition.form.split(method.drop_condition(rows))
    lacks_z, lacks_caption = z.norm(dim=1) == 0, (tokens == 0).all(1)
    assert lacks_z.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert lacks_caption.float().mean().item() == pytest.approx(0.6, abs=0.03)
    assert (lacks_z & lacks_caption).float().mean().item() == pytest.approx(0.12, abs=0.02)


def test_the_prediction_depends_on_embedding_and_caption() -> None:
    method = decoder()
    network, x_t, t = method.average.module, torch.randn(4, 1, 8, 8), torch.full((4,), 0.5)
    z = method.embed(X)

    def predicted(own: Tensor, tokens: Tensor | None = None) -> Tensor:
        return method.predict(network, x_t, t, method.rows_of(own, tokens))

    plain = predicted(z)
    assert not torch.allclose(plain, predicted(z.roll(1, 0)), atol=1e-4)
    assert not torch.allclose(plain, predicted(z, ROWS), atol=1e-4)
    # No condition is the same for all.
    nothing = method.predict(network, x_t, t, None)
    torch.testing.assert_close(method.predict(network, x_t, t, method.unconditioned(method.rows_of(z, ROWS))), nothing)
    # What is concatenated for attention masks out the caption's padding, not the embedding's tokens.
    encoded = network.embed_condition(method.rows_of(z, ROWS))
    assert encoded.sequence.shape == (4, 4 + 1 + 3, 8)
    assert encoded.mask[0].tolist() == [True] * 6 + [False] * 2


def test_an_image_comes_back_from_its_own_noise_the_better_the_more_steps() -> None:
    errors = []
    for steps in (10, 40):
        method = decoder(sampler=partial(ddim, steps=steps))
        z = method.embed(X)
        start = method.invert(X, z, steps=steps)
        back = method.decode_embeddings(z, noise=Noise(0, 0), start=start)
        errors.append((back - X).abs().mean().item())
        assert torch.equal(back, method.decode_embeddings(z, noise=Noise(1, 0), start=start))
    assert errors[1] < 0.6 * errors[0]
    fresh = method.decode_embeddings(z, noise=Noise(0, 0))
    torch.testing.assert_close(
        fresh, method.decode_embeddings(z, noise=Noise(9, 9), start=method.fresh_start(4, noise=Noise(0, 0)))
    )


def unclip(settings: dict[str, Any] | None = None, **parts: Any) -> UnCLIP:
    made: dict[str, Any] = {"prior": prior(), "decoder": decoder()} | parts
    for part in made.values():
        freeze(part)
    return UnCLIP(**made, **(settings or {}))


def test_it_draws_what_its_parts_draw_one_after_the_other() -> None:
    method = unclip()
    assert isinstance(method, FollowsTexts)
    assert isinstance(method.decoder, DecodesEmbeddings)
    assert not isinstance(method.decoder, FollowsTexts)
    assert isinstance(method.prior, DrawsEmbeddings)
    drawn = method.sample(4, ROWS, noise=Noise(0, 0))
    noise = Noise(0, 0)
    z = method.prior.sample(4, ROWS, noise=noise)
    assert torch.equal(drawn, method.decoder.decode_embeddings(z, noise=noise, tokens=ROWS))
    assert drawn.shape == (4, 1, 8, 8)


def test_the_decoders_sampler_and_guidance_may_be_replaced() -> None:
    z = unclip().embed(X)
    sampler = partial(ddim, steps=3, eta=1.0)
    method = unclip({"sampler": sampler, "guidance": 2.0})
    alone = decoder(sampler=sampler, guidance=2.0)
    found, own = (each.decode_embeddings(z, noise=Noise(0, 0)) for each in (method, alone))
    assert torch.equal(found, own)
    assert not torch.equal(unclip().decode_embeddings(z, noise=Noise(0, 0)), own)
    with pytest.raises(ValueError, match="guidance must be at least 0, not -1"):
        unclip({"guidance": -1.0})


def test_parts_of_different_clips_are_refused() -> None:
    first, second = prior(), decoder(sha256="another")
    with pytest.raises(ValueError, match="must be of the same CLIP"):
        unclip(prior=first, decoder=second)


def test_what_a_decoder_can_t_do_is_said() -> None:
    with pytest.raises(ValueError, match="caption_dropout must be in"):
        decoder(caption_dropout=1.5)
    with pytest.raises(ValueError, match="a decoder draws what an image's embedding says"):
        decoder().condition.parse("bright")
