"""First stages of diffusers and of CompVis: the same outputs as diffusers', and the names of both."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.errors import UserError
from genbench.published.source import Archive, Published
from genbench.published.sources import make, names
from tests.published.building import built, lively

diffusers = pytest.importorskip("diffusers")

KL = {
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [64, 128],
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 16,
}
VQ = KL | {
    "down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
    "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
    "latent_channels": 3,
    "num_vq_embeddings": 16,
}
X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def of_diffusers(theirs: nn.Module) -> Published:
    archive = Archive(Path("vae"), theirs.state_dict(), {"config": dict(theirs.config)})
    assert [one for one in names() if make(one).recognises(archive)] == ["diffusers_autoencoder"]
    return make("diffusers_autoencoder").convert(archive)


@torch.no_grad()
def test_the_kl_autoencoder_is_theirs() -> None:
    theirs = lively(diffusers.AutoencoderKL(**KL))
    method = built(of_diffusers(theirs))
    network = method.autoencoder
    posterior = theirs.encode(X).latent_dist
    mean, log_variance = method.moments(network, X)
    torch.testing.assert_close(mean, posterior.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_variance, posterior.logvar, atol=1e-4, rtol=1e-4)
    z = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(network.decode(z), theirs.decode(z).sample, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_vq_model_is_theirs() -> None:
    theirs = lively(diffusers.VQModel(**VQ))
    method = built(of_diffusers(theirs))
    network = method.autoencoder
    z = theirs.encode(X).latents
    torch.testing.assert_close(network.encode(X), z, atol=1e-4, rtol=1e-4)
    quantised, _, (_, _, codes) = theirs.quantize(z)
    found = network.quantiser(z)
    assert torch.equal(found.codes.flatten(), codes)
    torch.testing.assert_close(found.z_q, quantised, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.decode(found.z_q), theirs.decode(z).sample, atol=1e-4, rtol=1e-4)


def compvis(weights: dict[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Return the weights of diffusers' model under CompVis' names, written down anew."""
    found: dict[str, Tensor] = {}
    for name, each in weights.items():
        half, _, rest = name.partition(".")
        parts = rest.split(".")
        if parts[0] == "mid_block":
            place = {"resnets0": "block_1", "attentions0": "attn_1", "resnets1": "block_2"}[parts[1] + parts[2]]
            rest = ".".join(["mid", place, *parts[3:]])
        elif parts[0] in ("down_blocks", "up_blocks"):
            level = int(parts[1]) if parts[0] == "down_blocks" else levels - 1 - int(parts[1])
            kinds = {"resnets": "block", "attentions": "attn", "downsamplers": "downsample", "upsamplers": "upsample"}
            kind = kinds[parts[2]]
            inner = parts[4:] if "sample" in kind else parts[3:]
            rest = ".".join([parts[0].removesuffix("_blocks"), str(level), kind, *inner])
        rest = rest.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if ".attn" in rest:
            for theirs, ours in (
                ("group_norm", "norm"),
                ("to_q", "q"),
                ("to_k", "k"),
                ("to_v", "v"),
                ("to_out.0", "proj_out"),
            ):
                rest = rest.replace(f".{theirs}.", f".{ours}.")
            each = each[:, :, None, None] if each.ndim == 2 else each
        found[f"{half}.{rest}" if rest else name] = each
    return found


@pytest.mark.parametrize("kind", ["KL", "VQ"])
@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_compvis_files_have_other_names_for_the_same(kind: str, prefix: str) -> None:
    theirs = lively(diffusers.AutoencoderKL(**KL) if kind == "KL" else diffusers.VQModel(**VQ))
    expected = of_diffusers(theirs)
    weights = {f"{prefix}{name}": each for name, each in compvis(theirs.state_dict(), 2).items()}
    weights |= {f"{prefix}loss.discriminator.main.0.weight": torch.zeros(3)}
    if prefix:
        weights |= {"model.diffusion_model.out.2.bias": torch.zeros(4)}
    archive = Archive(Path("last.ckpt"), {"state_dict": weights, "global_step": 3}, {})
    recognised = [one for one in names() if make(one).recognises(archive)]
    assert recognised == ([] if prefix else ["compvis_autoencoder"])
    found = make("compvis_autoencoder").convert(archive)
    assert found.experiment == expected.experiment
    assert found.weights["autoencoder"].keys() == expected.weights["autoencoder"].keys()
    for name, each in expected.weights["autoencoder"].items():
        assert torch.equal(found.weights["autoencoder"][name], each), name


@pytest.mark.parametrize("change", ["missing", "besides", "setting"])
def test_what_ours_can_t_hold_is_refused(change: str) -> None:
    theirs = diffusers.AutoencoderKL(**KL)
    weights, config = dict(theirs.state_dict()), dict(theirs.config)
    if change == "missing":
        del weights["decoder.up_blocks.1.resnets.1.conv2.bias"]
    elif change == "besides":
        weights["encoder.down_blocks.1.resnets.0.time_emb_proj.weight"] = torch.zeros(2)
    else:
        config["use_quant_conv"] = False
    message = {
        "missing": "conv2.bias is missing",
        "besides": "time_emb_proj.weight .* no counterpart",
        "setting": "use_quant_conv",
    }
    with pytest.raises(UserError, match=message[change]):
        make("diffusers_autoencoder").convert(Archive(Path("vae"), weights, {"config": config}))


def test_published_models_have_the_published_sizes() -> None:
    counts: dict[str, Any] = {
        "kl": (diffusers.AutoencoderKL, {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}, 83_653_863),
        "vq": (
            diffusers.VQModel,
            {"latent_channels": 3, "block_out_channels": [128, 256, 512], "num_vq_embeddings": 8192},
            55_322_782,
        ),
    }
    for kind, settings, count in counts.values():
        blocks = len(settings["block_out_channels"])
        with torch.device("meta"):
            theirs = kind(
                **settings, layers_per_block=2,
                down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks,
            )  # fmt: skip
        published = of_diffusers(theirs)
        weights = published.weights["autoencoder"]
        usage = weights.get("quantiser.usage", torch.empty(0)).numel()
        assert sum(each.numel() for each in weights.values()) - usage == count
