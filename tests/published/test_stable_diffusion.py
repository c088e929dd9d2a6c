"""Stable Diffusion of diffusers and of CompVis: the same images as diffusers' pipeline, from prompts to pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genbench.__main__ import main
from genbench.abilities import Draws
from genbench.commands.opening import open_part
from genbench.errors import UserError
from genbench.published.source import Archive
from genbench.published.sources import make, names
from genbench.randomness import Noise
from tests.published.building import lively

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
pytest.importorskip("open_clip")

WIDTH = 64
UNET = {
    "sample_size": 8,
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "cross_attention_dim": WIDTH,
}
VAE = {
    "block_out_channels": [64] * 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
TEXT = {
    "hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 1,
    "hidden_act": "quick_gelu", "max_position_embeddings": 77, "vocab_size": 49408,
}  # fmt: skip
SCHEDULER = {
    "beta_start": 8.5e-4, "beta_end": 1.2e-2, "beta_schedule": "scaled_linear", "clip_sample": False,
    "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip
PROMPT = "an oil painting of a corgi wearing a hat"


@pytest.fixture(scope="module")
def pipeline() -> Any:
    parts = {
        "vae": lively(diffusers.AutoencoderKL(**VAE)),
        "text_encoder": lively(transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT))),
        "unet": lively(diffusers.UNet2DConditionModel(**UNET)),
        "scheduler": diffusers.DDIMScheduler(**SCHEDULER),
    }
    nothing = dict.fromkeys(("tokenizer", "safety_checker", "feature_extractor"))
    made = diffusers.StableDiffusionPipeline(**parts, **nothing, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def folder(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save its models as a pipeline's folder has them."""
    path = tmp_path_factory.mktemp("sd")
    for name in ("vae", "text_encoder", "unet", "scheduler"):
        getattr(pipeline, name).save_pretrained(path / name)
    return path


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imported")
    for source, name in (("vae", "vae"), ("text_encoder", "text")):
        assert main(["import", f"path={folder / source}", f"out={out / name}"]) == 0
    parts = [f"parts.first_stage={out / 'vae'}", f"parts.text_encoder={out / 'text'}"]
    assert main(["import", f"path={folder}", f"out={out / 'sd'}", *parts]) == 0
    return out / "sd"


@torch.no_grad()
def test_images_are_those_of_diffusers_pipeline(run: Path, pipeline: Any) -> None:
    method: Any = open_part("model", str(run), Draws).model
    rows = method.condition.encode([PROMPT, "a dog"])
    method.sampler.keywords["steps"] = 5
    # Random networks and the usual scale of 7.5 make the rounding of single precision large.
    method.guidance = 1.0
    found = method.sample(2, rows, noise=Noise(3))

    def states(texts: list[str]) -> Tensor:
        tokens = torch.tensor([method.text_encoder.tokens_of(text) for text in texts])
        return pipeline.text_encoder(tokens).last_hidden_state

    expected = pipeline(
        prompt_embeds=states([PROMPT, "a dog"]), negative_prompt_embeds=states(["", ""]),
        latents=Noise(3).normal(2, 4, 8, 8), num_inference_steps=5, guidance_scale=2.0, output_type="np",
        height=64, width=64,
    ).images  # fmt: skip
    torch.testing.assert_close((found + 1) / 2, torch.from_numpy(expected).permute(0, 3, 1, 2), atol=1e-4, rtol=0)
    assert np.std(expected) > 0.01
    tokens = torch.tensor([method.text_encoder.tokens_of(PROMPT)])
    torch.testing.assert_close(method.text_encoder.encode_texts([PROMPT])[0], pipeline.text_encoder(tokens)[0])


def test_it_draws_prompts_from_the_command_line(run: Path, tmp_path: Path) -> None:
    words = ["count=1", f"prompt={PROMPT}", "sampler=ddim", "sampler.steps=2", "sampler.clamp=none"]
    assert main(["sample", f"run={run}", *words, f"out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 1


def compvis(pipeline: Any) -> dict[str, Tensor]:
    """Return the U-Net and the text tower under CompVis' names, written down anew for this shape."""
    theirs = pipeline.unet.state_dict()
    places = {
        "down_blocks.0.resnets.0": "input_blocks.1.0", "down_blocks.0.attentions.0": "input_blocks.1.1",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op", "down_blocks.1.resnets.0": "input_blocks.3.0",
        "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2", "up_blocks.0.resnets.0": "output_blocks.0.0",
        "up_blocks.0.resnets.1": "output_blocks.1.0", "up_blocks.0.upsamplers.0.conv": "output_blocks.1.1.conv",
        "up_blocks.1.resnets.0": "output_blocks.2.0", "up_blocks.1.attentions.0": "output_blocks.2.1",
        "up_blocks.1.resnets.1": "output_blocks.3.0", "up_blocks.1.attentions.1": "output_blocks.3.1",
        "conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2", "conv_norm_out": "out.0", "conv_out": "out.2",
    }  # fmt: skip
    inner = {
        "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
        "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    found: dict[str, Tensor] = {}
    for name, each in theirs.items():
        (old,) = [place for place in places if name.startswith(f"{place}.")]
        rest = name.removeprefix(f"{old}.")
        layer, _, kind = rest.rpartition(".")
        rest = f"{inner.get(layer, layer)}.{kind}" if ".resnets." in f"{old}." else rest
        found[f"model.diffusion_model.{places[old]}.{rest}"] = each
    found |= {
        f"cond_stage_model.transformer.{name if name.startswith('text_model.') else f'text_model.{name}'}": each
        for name, each in pipeline.text_encoder.state_dict().items()
    }
    return found | {"betas": pipeline.scheduler.betas}


def test_compvis_file_holds_the_same_under_other_names(pipeline: Any, folder: Path) -> None:
    weights = compvis(pipeline)
    averages = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): each + 1
        for name, each in weights.items()
        if name.startswith("model.diffusion_model.")
    }
    archive = Archive(Path("sd.ckpt"), {"state_dict": weights | averages}, {})
    assert [one for one in names() if make(one).recognises(archive)] == ["stable_diffusion"]
    found = make("stable_diffusion").convert(archive)
    source = make("diffusers_latent")
    expected = source.convert(source.read(folder))
    assert found.weights["denoiser"].keys() == expected.weights["denoiser"].keys()
    for name, each in expected.weights["denoiser"].items():
        assert torch.equal(found.weights["denoiser"][name], each), name
        assert torch.equal(found.averages["denoiser"][name], each + 1), name
    for key, value in expected.settings.items():
        if key.startswith("method.process") and isinstance(value, float):
            assert found.settings[key] == pytest.approx(value, rel=1e-4), key
    text = make("clip_text").convert(archive)
    alone = make("clip_text")
    expected = alone.convert(alone.read(folder / "text_encoder"))
    assert text.weights["network"].keys() == expected.weights["network"].keys()
    assert all(torch.equal(text.weights["network"][name], each) for name, each in expected.weights["network"].items())


@pytest.mark.parametrize(
    ("key", "value"), [("in_channels", 9), ("attention_head_dim", [2, 4]), ("down_block_types", ["DownBlock2D", "Odd"])]
)
def test_a_unet_that_ours_can_t_hold_is_refused(key: str, value: Any, folder: Path, tmp_path: Path) -> None:
    source = make("diffusers_latent")
    archive = source.read(folder)
    changed = archive._replace(settings={**archive.settings, "config": {**archive.settings["config"], key: value}})
    with pytest.raises(UserError, match=key if key != "down_block_types" else "Odd"):
        source.convert(changed)


def test_the_published_model_has_the_published_sizes() -> None:
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        text = transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
            )
        )
    archive = Archive(Path("unet"), unet.state_dict(), {"config": dict(unet.config)})
    published = make("diffusers_latent").convert(archive)
    assert sum(each.numel() for each in published.weights["denoiser"].values()) == 859_520_964
    weights = dict(text.state_dict())
    published = make("clip_text").convert(Archive(Path("text"), weights, {"config": dict(text.config.to_dict())}))
    assert sum(each.numel() for each in published.weights["network"].values()) == 123_060_480
