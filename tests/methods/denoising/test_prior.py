"""unCLIP's prior: what it learns, what it draws, and which of its candidates it keeps."""

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
from genbench.medium import Embeddings, Images, Points
from genbench.methods.denoising.prior import Prior
from genbench.networks.prior_transformer import PriorTransformer
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.embedders import CAPTIONS, Brightness
from tests.kinds import classes

NETWORK = partial(PriorTransformer, width=16, layers=1, heads=2)
ROWS = CAPTIONS.encode(["dark", "bright", "grey", "bright"])
LEVELS = torch.tensor([-1.0, 1.0, 0.0, 1.0])
X = LEVELS.view(4, 1, 1, 1).expand(4, 1, 8, 8)


class Says(nn.Module):
    """Predict an embedding on the circle, at the angle of the text plus one for each sample that was begun."""

    def __init__(self, shape: Any, condition: Any, states: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.register_buffer("statistics", torch.tensor([[0.0], [1.0]]))
        self.calls = 0

    def forward(self, z_t: Tensor, t: Tensor, *, rows: Tensor, text: Tensor, states: Tensor) -> Tensor:
        self.calls += 1
        # Two steps a sample: the first candidate is the text's own embedding, the next is turned away from it.
        return self.bias + (text if self.calls <= 2 else text.roll(1, 1))


def prior(network: Any = NETWORK, medium: Any = None, condition: Any = CAPTIONS, **settings: Any) -> Prior:
    torch.manual_seed(0)
    clip = Brightness()
    freeze(clip)
    return Prior(
        network, medium or Images((1, 8, 8)), condition, embedder=clip,
        **{"process": DiscreteProcess("cosine", 50), "prediction": "x_0", "sampler": partial(ddim, steps=2),
           "optimizer": partial(torch.optim.Adam, lr=3e-3), "ema_decay": 0.0, **settings},
    )  # fmt: skip


def test_embeddings_are_as_long_as_the_noise() -> None:
    method = prior()
    z = method.to_space(X)
    torch.testing.assert_close(z.norm(dim=1), torch.full((4,), 2.0))
    torch.testing.assert_close(z[:, 1] / z[:, 0], LEVELS.tan())
    assert isinstance(method.medium, Embeddings)
    assert method.medium.shape == (4,)
    torch.testing.assert_close(method.from_space(z), z / 2)


def test_the_loss_is_that_of_the_embedding_whatever_is_predicted() -> None:
    method = prior(Says, condition_dropout=0.0)
    # The network says the text's embedding, which here is the image's.
    loss, _ = method.loss(Batch(X, ROWS))
    assert loss.item() == pytest.approx(0.0, abs=1e-10)
    wrong, _ = prior(Says, condition_dropout=0.0).loss(Batch(-X, ROWS))
    # Dark for bright and bright for dark are chords of two radians of a circle of radius 2; grey is right.
    assert wrong.item() == pytest.approx((0.75 * (4 * torch.tensor(1.0).sin()) ** 2).item() / 4, rel=1e-5)


def test_of_the_candidates_the_nearest_to_the_caption_is_kept() -> None:
    near = prior(Says, candidates=2)
    drawn = near.sample(4, ROWS, noise=Noise(0, 0))
    torch.testing.assert_close(drawn, near.embed_captions(ROWS))
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(4))
    assert near.average.module.calls == 4


def test_it_learns_what_captions_are_of() -> None:
    method = prior(condition_dropout=0.1)
    optimizer = torch.optim.Adam(method.denoiser.parameters(), lr=3e-3)
    for _ in range(150):
        loss, _ = method.loss(Batch(X.repeat(8, 1, 1, 1), ROWS.repeat(8, 1)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    method.average.update_parameters(method.denoiser)
    drawn = method.sample(4, ROWS, noise=Noise(0, 0))
    own = (drawn * method.embed_captions(ROWS)).sum(1)
    other = (drawn * method.embed_captions(ROWS.roll(1, 0))).sum(1)
    assert own.min() > 0.9
    assert own.mean() > other.mean() + 0.3
    assert not any("embedder" in name for name in method.state_dict())


def test_raw_embeddings_are_standardised_and_come_back_as_they_are() -> None:
    method = prior(embeddings="raw")
    network = method.average.module
    network.statistics.copy_(torch.tensor([[0.5], [2.0]]).expand(2, 4))
    z = method.to_space(X)
    # As long as the CLIP makes them, which is 2.
    torch.testing.assert_close(2 * z + 0.5, method.embedder.embed_images(X))
    torch.testing.assert_close(method.from_space(z), method.embedder.embed_images(X))
    torch.testing.assert_close(method.embed_captions(ROWS).norm(dim=1), torch.full((4,), 3.0))
    with pytest.raises(ValueError, match="embeddings must be unit or raw"):
        prior(embeddings="long")


def test_guidance_of_none_is_the_conditional_model_and_of_minus_one_the_other() -> None:
    method = prior()
    z_t, t = torch.randn(4, 4), torch.tensor(0.5)
    conditional, without = method.denoise_with(ROWS)(z_t, t).x_0, method.denoise_with(None)(z_t, t).x_0
    assert torch.equal(method.denoise_with(ROWS, guidance=0.0)(z_t, t).x_0, conditional)
    torch.testing.assert_close(method.denoise_with(ROWS, guidance=-1.0)(z_t, t).x_0, without)


def test_clip_may_have_another_tokenizer_but_must_know_the_words() -> None:
    turned = Captions(["bright", "dark", "grey", "very"], 5)
    method = prior(condition=turned)
    rows = turned.encode(["bright", "dark"])
    torch.testing.assert_close(method.embed_captions(rows), prior().embed_captions(CAPTIONS.encode(["bright", "dark"])))
    with pytest.raises(UserError, match=r"parts\.embedder can't read a caption: 'very bright'"):
        method.embed_captions(turned.encode(["very bright"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"medium": Points((4, 2))}, "the data has none"),
        ({"condition": classes(3)}, "takes data with captions"),
        ({"candidates": 0}, "candidates must be at least 1"),
    ],
)
def test_what_it_can_t_do_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prior(**settings)
