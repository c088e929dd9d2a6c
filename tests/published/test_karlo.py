"""Karlo's prior and decoder, as diffusers has them: the same outputs as theirs, and the published sizes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from safetensors.torch import save_file
from torch import Tensor, nn

from genbench.__main__ import main
from genbench.conditions.captions import Captions
from genbench.conditions.clip_captions import ClipCaptions
from genbench.config import check
from genbench.errors import UserError
from genbench.networks.prior_transformer import PriorTransformer
from genbench.published.source import Archive
from genbench.published.sources import make, names
from tests.published.building import composed, lively

diffusers = pytest.importorskip("diffusers")
UnCLIPTextProjModel = pytest.importorskip("diffusers.pipelines.deprecated.unclip.text_proj").UnCLIPTextProjModel

CAPTIONS = Captions(tokenizer="clip_bpe")
ROWS = CAPTIONS.encode(["a corgi", "", "an oil painting of a corgi wearing a hat"])
DIM, WIDTH = 12, 24
PRIOR = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "embedding_dim": DIM}
DECODER: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 6,
    "block_out_channels": [32, 64],
    "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
    "up_block_types": ["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "attention_head_dim": 16,
    "cross_attention_dim": WIDTH,
    "layers_per_block": 1,
    "class_embed_type": "identity",
    "resnet_time_scale_shift": "scale_shift",
}
"""As Karlo's, but small."""


def given() -> tuple[Tensor, Tensor, Tensor]:
    """Return a caption's embeddings and states, and an image's embeddings."""
    generator = torch.Generator().manual_seed(0)
    text, image = torch.randn(2, 3, DIM, generator=generator)
    states = torch.randn(3, 77, DIM, generator=generator) * CAPTIONS.form.mask(ROWS).unsqueeze(-1)
    return text, states, image


def prior_of(theirs: nn.Module) -> Any:
    archive = Archive(Path("prior"), theirs.state_dict(), {"config": dict(theirs.config)})
    assert [one for one in names() if make(one).recognises(archive)] == ["diffusers_prior"]
    return make("diffusers_prior").convert(archive)


def test_the_prior_is_theirs() -> None:
    theirs = lively(diffusers.PriorTransformer(**PRIOR))
    published = prior_of(theirs)
    network = PriorTransformer((DIM,), CAPTIONS, states=DIM, width=16, layers=2, heads=2)
    network.load_state_dict(published.weights["denoiser"])
    torch.testing.assert_close(network.statistics, torch.cat([theirs.clip_mean, theirs.clip_std]))
    text, states, z = given()
    mask = CAPTIONS.form.mask(ROWS)
    with torch.no_grad():
        for step in (0, 613, 999):
            expected = theirs(z, step, text, states, mask).predicted_image_embedding
            found = network(z, torch.full((3,), step / 1000), rows=ROWS, text=text, states=states)
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_prior_that_ours_can_t_hold_is_refused() -> None:
    with pytest.raises(UserError, match="norm_in_type"):
        prior_of(diffusers.PriorTransformer(**PRIOR, norm_in_type="layer"))
    theirs = diffusers.PriorTransformer(**PRIOR)
    weights = {name: each for name, each in theirs.state_dict().items() if name != "clip_std"}
    with pytest.raises(UserError, match="clip_std is missing"):
        make("diffusers_prior").convert(Archive(Path("prior"), weights, {"config": {}}))


def decoder_of(unet: nn.Module, text: nn.Module) -> Any:
    content = {"decoder": unet.state_dict(), "text_proj": text.state_dict()}
    archive = Archive(Path("karlo"), content, {"decoder": dict(unet.config), "text_proj": dict(text.config)})
    assert [one for one in names() if make(one).recognises(archive)] == ["diffusers_unclip_decoder"]
    return make("diffusers_unclip_decoder").convert(archive)


def pair() -> tuple[nn.Module, nn.Module]:
    unet = lively(diffusers.UNet2DConditionModel(**DECODER))
    text = lively(UnCLIPTextProjModel(clip_embeddings_dim=DIM, time_embed_dim=128, cross_attention_dim=WIDTH))
    return unet, text


def test_the_decoder_is_theirs() -> None:
    unet, text_proj = pair()
    published = decoder_of(unet, text_proj)
    build = instantiate(composed(published).network.denoiser, _convert_="all")
    condition = ClipCaptions(torch.zeros(1, 77 * DIM + 2 * DIM), 77, DIM, DIM)
    network = build(shape=(3, 16, 16), condition=condition, outputs=2).eval()
    network.load_state_dict(published.weights["denoiser"])
    text, states, image = given()
    x_t = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    mask = nn.functional.pad(CAPTIONS.form.mask(ROWS), (4, 0), value=True)
    nothing = text_proj.learned_classifier_free_guidance_embeddings.expand(3, -1)
    with torch.no_grad():
        for own, theirs in ((image, image), (torch.zeros_like(image), nothing)):
            encoded, added = text_proj(
                image_embeddings=theirs,
                prompt_embeds=text,
                text_encoder_hidden_states=states,
                do_classifier_free_guidance=False,
            )
            expected = unet(x_t, 613, encoded, class_labels=added, attention_mask=mask).sample
            rows = torch.cat([states.flatten(1), text, own], dim=1)
            found = network(x_t, torch.full((3,), 0.613), rows)
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_decoder_that_ours_can_t_hold_is_refused() -> None:
    unet, text = pair()
    content = {"decoder": unet.state_dict(), "text_proj": text.state_dict()}
    for key, value in (("class_embed_type", "timestep"), ("down_block_types", ["DownBlock2D", "DownBlock2D"])):
        settings = {"decoder": dict(unet.config) | {key: value}, "text_proj": {}}
        with pytest.raises(UserError, match=r"DownBlock2D|class_embed_type"):
            make("diffusers_unclip_decoder").convert(Archive(Path("karlo"), content, settings))


def test_the_decoder_has_the_published_size() -> None:
    config = check("train", ["experiment=unclip_decoder_64", "data.root=none"])
    with torch.device("meta"):
        condition = ClipCaptions(torch.zeros(1, 77 * 768 + 2 * 768), 77, 768, 768)
        network = instantiate(config.network.denoiser, _convert_="all")(
            shape=(3, 64, 64), condition=condition, outputs=2
        )
    assert sum(each.numel() for each in network.parameters()) == 893_318_086


def test_a_folder_is_imported_with_the_clip_that_it_is_built_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = [
        "experiment=clip_scenes", "data.tokenizer=clip_bpe", "data.count=16", "data.held_out=110", "data.batch_size=8",
        "network=clip_small", f"network.image_tower.embedding_dim={DIM}", "network.image_tower.width=16",
        "network.image_tower.layers=1", f"network.text_tower.width={DIM}", "network.text_tower.layers=1",
        "trainer.accelerator=cpu", "schedule@method.schedule=constant", "steps=1", f"output={tmp_path}", "name=clip",
    ]  # fmt: skip
    assert main(clip) == 0
    (run,) = (tmp_path / "clip").iterdir()
    theirs = lively(diffusers.PriorTransformer(**PRIOR))
    theirs.save_pretrained(tmp_path / "karlo" / "prior")
    words = ["import", f"path={tmp_path / 'karlo' / 'prior'}"]
    assert main([*words, f"out={tmp_path / 'no'}"]) == 2
    assert "parts.embedder=RUN" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    out = tmp_path / "prior"
    assert main([*words, f"out={out}", f"parts.embedder={run}"]) == 0
    assert (out / "parts" / "embedder" / "weights.safetensors").is_file()
    assert main(["sample", f"run={out}", "prompt=a corgi", "count=2", "sampler=ddim", "sampler.steps=2"]) == 0
    unet, text = pair()
    for name, each in (("decoder", unet), ("text_proj", text)):
        folder = tmp_path / "karlo" / name
        each.save_pretrained(folder)
    words = ["import", f"path={tmp_path / 'karlo'}", f"out={tmp_path / 'decoder'}", f"parts.embedder={run}"]
    assert main(words) == 2
    assert "choose source=diffusers_prior or source=diffusers_unclip_decoder" in capsys.readouterr().err
    assert main([*words, "source=diffusers_unclip_decoder"]) == 0
    assert main(["sample", f"run={tmp_path / 'decoder'}", "count=2", "sampler=ddim", "sampler.steps=2"]) == 2
    damaged = tmp_path / "damaged" / "prior"
    damaged.mkdir(parents=True)
    (damaged / "config.json").write_text("{}")
    save_file({"prd_embedding": torch.zeros(1, 1, 16)}, damaged / "diffusion_pytorch_model.safetensors")
    assert main(["import", f"path={damaged}", f"out={tmp_path / 'no'}", f"parts.embedder={run}"]) == 2
    assert "positional_embedding is missing" in capsys.readouterr().err
