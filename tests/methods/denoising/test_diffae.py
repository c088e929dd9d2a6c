"""Diffusion autoencoders: what the vector does, the networks' sizes, and the latent model."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.abilities import DecodesBoth, DecodesEmbeddings
from genbench.batch import Batch
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.editing.base import Inputs
from genbench.editing.mix_images import MixImages
from genbench.editing.reconstruct import Reconstruct
from genbench.medium import Images, Points
from genbench.methods.denoising.diffae import DiffAE
from genbench.methods.denoising.diffae_latent import DiffAELatent
from genbench.networks.mlp_skip import MLPSkip
from genbench.networks.semantic_encoder import SemanticEncoder
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.networks.test_unet import SMALL, awake

ADM: dict[str, Any] = {
    "time": "sinusoids_openai", "adaptive": True, "padding": "openai", "resampling": "residual", "norm_eps": 1e-5,
    "initialisation": "openai",
}  # fmt: skip
X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def size(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def make(**settings: Any) -> DiffAE:
    torch.manual_seed(0)
    method = DiffAE(
        partial(UNet, **{**SMALL, "adaptive": True}),
        partial(SemanticEncoder, width=8, multipliers=(1, 2), blocks=1, attention=()),
        Images((1, 8, 8)),
        **{"embedding_dim": 6, "process": DiscreteProcess("cosine", 100), "sampler": partial(ddim, steps=20),
           "optimizer": partial(torch.optim.Adam, lr=0.01), "ema_decay": 0.0, **settings},
    )  # fmt: skip
    awake(method.average.module)
    return method


# Of the authors' templates: whole autoencoder, its encoder.
@pytest.mark.parametrize(
    ("count", "encoder", "side", "width", "multipliers", "deeper"),
    [
        (128_545_155, 24_673_536, 128, 128, (1, 1, 2, 3, 4), (4,)),
        (168_492_291, 30_150_400, 256, 128, (1, 1, 2, 2, 4, 4), (4,)),
    ],
)
def test_networks_are_as_large_as_the_authors(
    count: int, encoder: int, side: int, width: int, multipliers: tuple[int, ...], deeper: tuple[int, ...]
) -> None:
    shape = (3, side, side)
    with torch.device("meta"):
        semantic = SemanticEncoder(shape, width=width, multipliers=multipliers + deeper)
        unet = UNet(shape, width=width, multipliers=multipliers, style_dim=512, **ADM)
    assert size(semantic) == encoder
    assert size(semantic) + size(unet) == count


def test_the_latent_network_and_the_unet_without_a_style_are_as_large_as_the_authors() -> None:
    with torch.device("meta"):
        assert size(SemanticEncoder((3, 64, 64), width=64, multipliers=(1, 2, 4, 8, 8))) == 19_320_512
        assert size(MLPSkip((512,))) == 54_109_696
        assert size(MLPSkip((512,), layers=20)) == 117_106_176
        assert size(UNet((3, 128, 128), width=128, multipliers=(1, 1, 2, 3, 4), **ADM)) == 98_618_499


def test_a_style_that_scales_by_one_changes_nothing() -> None:
    torch.manual_seed(0)
    styled = UNet((1, 8, 8), **{**SMALL, "adaptive": True}, style_dim=6)
    awake(styled)
    plain = UNet((1, 8, 8), **{**SMALL, "adaptive": True})
    plain.load_state_dict({name: each for name, each in styled.state_dict().items() if "from_style" not in name})
    with torch.no_grad():
        for name, each in styled.named_parameters():
            if "from_style" in name:
                each.zero_()
    t = torch.tensor([0.1, 0.5, 0.7, 0.9])
    torch.testing.assert_close(styled(X, t, style=torch.randn(4, 6)), plain(X, t))
    with pytest.raises(ValueError, match="a style takes adaptive=true"):
        UNet((1, 8, 8), **{**SMALL, "adaptive": False}, style_dim=6)


def test_one_loss_trains_encoder_and_denoiser() -> None:
    method = make()
    awake(method.denoiser)
    loss, _ = method.loss(Batch(X, None))
    loss.backward()
    for part in (method.denoiser.encoder, method.denoiser.denoiser):
        assert all(each.grad is not None and each.grad.any() for each in part.parameters())


def test_images_follow_their_vectors_and_their_noise() -> None:
    method = make()
    assert isinstance(method, DecodesEmbeddings)
    assert not isinstance(method, DecodesBoth)
    assert method.condition_of(Batch(X, None)).shape == (4, 6)
    z = 3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    start = method.fresh_start(4, noise=Noise(0))
    one = method.decode_embeddings(z, noise=Noise(1), start=start)
    assert torch.equal(one, method.decode_embeddings(z, noise=Noise(2), start=start))
    order = torch.tensor([2, 0, 3, 1])
    permuted = method.decode_embeddings(z[order], noise=Noise(1), start=start[order])
    torch.testing.assert_close(permuted, one[order], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(method.decode_embeddings(z[order], noise=Noise(1), start=start), one, atol=1e-3)
    assert torch.equal(method.sample(4, z, noise=Noise(1)), method.decode_embeddings(z, noise=Noise(1)))


def test_reconstructions_have_the_images_own_noise() -> None:
    method = make()
    with torch.no_grad():
        # It predicts no noise at all, so that x_t is the image, smaller, at every time.
        for each in method.average.module.denoiser.to_image.parameters():
            each.zero_()
    result = Reconstruct(method, steps=20).edit(Inputs(4, images=X), noise=Noise(0))
    assert result.pictures.shape == (4, 1, 8, 24)
    assert result.scores["mae"].max() < 1e-4
    assert result.scores["mae_fresh"].min() > 0.5


def test_mixtures_lead_from_one_image_to_the_other_by_either_path() -> None:
    method = make()
    for path in ("slerp", "linear"):
        editor = MixImages(method, path=path, pictures=3, steps=20)  # type: ignore[arg-type]
        result = editor.edit(Inputs(4, images=X, others=X.flip(0)), noise=Noise(0))
        assert result.intermediate is not None
        # Half way it does not matter which of the two comes first.
        half = result.intermediate[:, 1].float()
        assert (half - half.flip(0)).abs().max() <= 1


def latent(autoencoder: Any, **settings: Any) -> DiffAELatent:
    torch.manual_seed(0)
    return DiffAELatent(
        partial(MLPSkip, width=16, layers=3), Images((1, 8, 8)), **settings, autoencoder=autoencoder,
        process=DiscreteProcess("linear", 100, beta_start=8e-2, beta_end=8e-2), sampler=partial(ddim, steps=3),
        optimizer=partial(torch.optim.Adam, lr=0.01), ema_decay=0.0,
    )  # fmt: skip


def test_the_latent_model_standardises_each_number_and_draws_images() -> None:
    autoencoder = make()
    autoencoder.__dict__["is_part"] = True
    method = latent(autoencoder)
    method.measure([X[:1], X[1:]])
    z = method.to_space(X)
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(method.from_space(z), autoencoder.embed(X), atol=1e-5, rtol=1e-4)
    assert method.sample(3, noise=Noise(0)).shape == (3, 1, 8, 8)
    assert not any("autoencoder" in name for name in method.state_dict())
    losses = method.penalties(torch.tensor([-2.0, 3.0]))
    assert losses.tolist() == [2.0, 3.0]


class Vectors(nn.Module):
    is_part = True
    embedding_dim = 6
    medium = Images((3, 8, 8))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"encodes images of shape \(3, 8, 8\), and the data has \(1, 8, 8\)"):
        latent(Vectors())
    with pytest.raises(ValueError, match="norm must be l1 or l2"):
        latent(Vectors(), norm="l3")
    with pytest.raises(ValueError, match="is for vectors"):
        MLPSkip((3, 8, 8))
    with pytest.raises(ValueError, match="encodes images, and the data has none"):
        DiffAE(UNet, SemanticEncoder, Points((4, 2)), process=DiscreteProcess("cosine", 10))


def test_the_network_sees_its_input_at_every_layer() -> None:
    torch.manual_seed(0)
    network = MLPSkip((6,), width=16, layers=3)
    with torch.no_grad():
        for layer in network.layers:
            layer.after[0].weight.zero_()
            layer.after[0].bias.zero_()
    x = torch.randn(5, 6, requires_grad=True)
    # What the layers make of it is nothing now, and still the last one knows it.
    gradient: Tensor = torch.autograd.grad(network(x, torch.rand(5)).sum(), x)[0]
    torch.testing.assert_close(gradient[0], network.last.weight[:, 16:].sum(0))
