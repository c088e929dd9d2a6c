"""diffusers' own U-Net and ours have the same outputs, in both directions; what ours can't hold is refused."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor, nn

from genbench.diffusion.processes import DiscreteProcess
from genbench.errors import UserError
from genbench.networks.unet import UNet
from genbench.published.source import Archive
from genbench.published.sources import make, names
from genbench.published.to_diffusers import PROCESS_DEFAULTS, UNET_DEFAULTS, scheduler_of, to_diffusers
from tests.kinds import classes
from tests.published.building import built, composed, lively

diffusers = pytest.importorskip("diffusers")

STEPS = torch.tensor([0, 1, 613, 999])

GOOGLE: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": [32, 64],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}
"""As in google/ddpm-cifar10-32, but small."""

VARIED: dict[str, dict[str, Any]] = {
    "google": GOOGLE,
    "defaults": {
        key: GOOGLE[key] for key in ("sample_size", "block_out_channels", "down_block_types", "up_block_types")
    },
    "three levels": {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": [8, 12, 8],
        "down_block_types": ["AttnDownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "AttnUpBlock2D"],
        "attention_head_dim": 4,
        "norm_num_groups": 4,
        "freq_shift": 1,
    },
    "scale and shift": GOOGLE
    | {
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 8,
        "norm_num_groups": 8,
        "downsample_padding": 1,
    },
    "classes": GOOGLE | {"num_class_embeds": 3, "flip_sin_to_cos": True, "dropout": 0.2},
    "learned variance": GOOGLE | {"out_channels": 6},
}


def archive(config: dict[str, Any], **scheduler: Any) -> tuple[nn.Module, Archive]:
    """Return diffusers' model with random weights, and what its files hold."""
    network = lively(diffusers.UNet2DModel(**config))
    chain = diffusers.DDPMScheduler(**scheduler)
    settings = json.loads(json.dumps({"config": dict(network.config), "scheduler_config": dict(chain.config)}))  # type: ignore[call-overload]
    return network, Archive(Path("google"), network.state_dict(), settings)


def outputs(network: Any, side: int, channels: int, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return noisy images, and what diffusers' network makes of them."""
    torch.manual_seed(1)
    x = torch.randn(4, channels, side, side)
    with torch.no_grad():
        return x, network(x, STEPS, class_labels=y).sample


@pytest.mark.parametrize("name", VARIED)
def test_its_outputs_are_ours(name: str) -> None:
    config = VARIED[name]
    learned = {"variance_type": "learned_range"} if name == "learned variance" else {}
    network, found = archive(config, **learned)
    assert [one for one in names() if make(one).recognises(found)] == ["diffusers"]
    published = make("diffusers").convert(found)
    channels = config.get("in_channels", 3)
    method = built(published, channels)
    y = torch.tensor([0, 1, 2, 2]) if name == "classes" else None
    x, theirs = outputs(network, config["sample_size"], channels, y)
    with torch.no_grad():
        ours = method.predict(method.denoiser, x, (STEPS + 1) / 1000, y)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_its_published_shape_is_ho_s() -> None:
    config = {"block_out_channels": (128, 256, 256, 256), "layers_per_block": 2, "sample_size": 32}
    kinds = {
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    }
    with torch.device("meta"):
        network = diffusers.UNet2DModel(**(GOOGLE | config | kinds))
    published = make("diffusers").convert(Archive(Path("x"), network.state_dict(), {"config": dict(network.config)}))
    assert published.experiment == "ddpm_cifar10"
    method = built(published, device="meta")
    assert sum(parameter.numel() for parameter in method.denoiser.parameters()) == 35_746_307
    # It is the network of the experiment itself, but for what that leaves open.
    plain = composed(type(published)("ddpm_cifar10", {}, {})).network.denoiser
    differing = {key for key, value in composed(published).network.denoiser.items() if value != plain[key]}
    assert differing == {"groups", "dropout"}


@pytest.mark.parametrize("name", [name for name in VARIED if name != "learned variance"])
def test_it_comes_back_as_it_was(name: str) -> None:
    network, found = archive(VARIED[name])
    published = make("diffusers").convert(found)
    settings = settings_of(published)
    config, weights = to_diffusers(published.weights["denoiser"], settings)
    again = diffusers.UNet2DModel.from_config(config)
    again.load_state_dict(weights)
    y = torch.tensor([0, 1, 2, 2]) if name == "classes" else None
    channels = config["in_channels"]
    _, theirs = outputs(network, config["sample_size"], channels, y)
    torch.testing.assert_close(outputs(again.eval(), config["sample_size"], channels, y)[1], theirs, rtol=0, atol=1e-5)


def settings_of(published: Any) -> Any:
    """Return the settings of a published model's run as its folder keeps them."""
    return OmegaConf.to_container(composed(published), resolve=True)


@pytest.mark.parametrize(
    "own",
    [
        {"time": "sinusoids_openai", "padding": "openai", "norm_eps": 1e-5},
        {"adaptive": True, "heads": 4, "multipliers": (1, 1)},
        {"head_channels": 16, "heads": None, "attention": (8, 4)},
    ],
)
@pytest.mark.parametrize("first_index", [0, 1])
@pytest.mark.parametrize("conditional", [False, True])
def test_ours_is_drawn_by_diffusers(own: dict[str, Any], first_index: int, conditional: bool) -> None:
    node: dict[str, Any] = {"width": 64, "multipliers": (1, 2), "blocks": 1, "attention": (4,), "dropout": 0.0} | own
    ours = lively(UNet((3, 8, 8), classes(3) if conditional else None, **node))
    process = DiscreteProcess("linear", 1000, first_index=first_index)  # type: ignore[arg-type]
    settings = {
        "data": {"size": 8},
        "method": {
            "_target_": "genbench.methods.denoising.ddpm.DDPM",
            "denoiser": {"_target_": "genbench.networks.unet.UNet", **node},
            "process": {
                "_target_": "genbench.diffusion.processes.DiscreteProcess",
                "schedule": "linear",
                "first_index": first_index,
            },
        },
    }
    ours = ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config, weights = to_diffusers(ours.state_dict(), settings)
    assert all(tensor.is_contiguous() for tensor in weights.values())
    theirs = diffusers.UNet2DModel.from_config(config)
    theirs.load_state_dict(weights)
    y = torch.tensor([0, 1, 2, 3]) if conditional else None
    x, found = outputs(theirs.eval(), 8, 3, y)
    with torch.no_grad():
        expected = ours(x, process.network_time((STEPS + 1) / 1000), y)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def run(**changes: Any) -> dict[str, Any]:
    """Return the settings of a run of a small network, some of them changed by dotted keys."""
    settings: dict[str, Any] = {
        "data": {"size": 8},
        "sampler": {"variance": "step"},
        "method": {
            "_target_": "genbench.methods.denoising.ddpm.DDPM",
            "prediction": "v",
            "denoiser": {"_target_": "genbench.networks.unet.UNet", "width": 64, "multipliers": (1,), "attention": ()},
            "process": {"_target_": "genbench.diffusion.processes.DiscreteProcess", "schedule": "linear"},
        },
    }
    for key, value in changes.items():
        part, _, name = key.partition("__")
        settings["method"][part][name] = value
    return settings


@pytest.mark.parametrize(
    ("ours", "theirs"), [("linear", "linear"), ("quadratic", "scaled_linear"), ("cosine", "squaredcos_cap_v2")]
)
@pytest.mark.parametrize("steps", [1000, 250])
def test_the_chain_is_the_same_in_both_directions(ours: str, theirs: str, steps: int) -> None:
    config = scheduler_of(run(process__schedule=ours, process__steps=steps))
    assert (config["beta_schedule"], config["variance_type"], config["prediction_type"]) == (
        theirs,
        "fixed_large",
        "v_prediction",
    )
    chain = diffusers.DDPMScheduler.from_config(config)
    torch.testing.assert_close(chain.betas.double(), DiscreteProcess(ours, steps).betas, rtol=1e-5, atol=1e-7)  # type: ignore[arg-type]
    _, found = archive(GOOGLE, **{key: value for key, value in config.items() if key != "_class_name"})
    settings = make("diffusers").convert(found).settings
    process = {key.removeprefix("method.process."): value for key, value in settings.items() if ".process." in key}
    torch.testing.assert_close(DiscreteProcess(**process).betas, DiscreteProcess(ours, steps).betas)  # type: ignore[arg-type]
    assert settings["method.prediction"] == "v"
    assert settings["sampler.variance"] == "step"


@pytest.mark.parametrize("clamp", ["static", "none", "dynamic"])
def test_estimates_are_clamped_alike(clamp: str) -> None:
    settings = run()
    settings["sampler"]["clamp"] = clamp
    config = scheduler_of(settings)
    assert config["clip_sample"] is (clamp == "static")
    assert config.get("thresholding", False) is (clamp == "dynamic")
    _, found = archive(GOOGLE)
    found = found._replace(settings=found.settings | {"scheduler_config": config})
    assert make("diffusers").convert(found).settings["sampler.clamp"] == clamp


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"denoiser__time": "fourier"}, "time=fourier"),
        ({"denoiser__resampling": "residual"}, "resampling=residual"),
        ({"denoiser__multipliers": (2, 2)}, "the first is not 1"),
        ({"denoiser__width": 32}, "several numbers of groups"),
        ({"denoiser__heads": 2, "denoiser__multipliers": (1, 2), "denoiser__attention": (8,)}, "heads=2"),
        ({"process__steps": 500}, "500 steps"),
        ({"denoiser___target_": "genbench.networks.mlp_denoiser.MLPDenoiser"}, "not genbench.networks.mlp_denoiser"),
    ],
)
def test_what_diffusers_cannot_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    weights = UNet((3, 8, 8), width=32, multipliers=(1,), attention=()).state_dict()
    with pytest.raises(UserError, match=message):
        to_diffusers(weights, run(**changes))
    with pytest.raises(UserError, match="a condition that is no class"):
        to_diffusers(weights | {"embed_condition.linear.weight": torch.zeros(1)}, run())


@pytest.mark.parametrize(
    ("place", "changes", "message"),
    [
        ("config", {"mid_block_type": None}, "mid_block_type=null"),
        ("config", {"time_embedding_type": "fourier"}, 'time_embedding_type="fourier"'),
        ("config", {"down_block_types": ["SkipDownBlock2D", "DownBlock2D"]}, "SkipDownBlock2D"),
        ("config", {"up_block_types": ["UpBlock2D", "AttnUpBlock2D"]}, "attend at different resolutions"),
        ("config", {"resnet_time_scale_shift": "scale_shift"}, "attn_norm_num_groups"),
        ("config", {"sample_size": [16, 32]}, "sample_size="),
        ("config", {"block_out_channels": [32]}, "block_out_channels="),
        ("scheduler_config", {"_class_name": "ScoreSdeVeScheduler"}, "ScoreSdeVeScheduler"),
        ("config", {"out_channels": 6}, "in_channels and out_channels"),
        ("scheduler_config", {"trained_betas": [0.1]}, "trained_betas"),
        ("scheduler_config", {"clip_sample_range": 2.0}, "clip_sample_range"),
        ("scheduler_config", {"beta_schedule": "exp"}, 'beta_schedule="exp"'),
    ],
)
def test_what_ours_cannot_hold_is_refused(place: str, changes: dict[str, Any], message: str) -> None:
    _, found = archive(GOOGLE)
    settings = {name: dict(content) for name, content in found.settings.items()}
    settings[place] |= changes
    with pytest.raises(UserError, match=message) as refused:
        make("diffusers").convert(found._replace(settings=settings))
    assert str(refused.value).startswith(f"{place}.json says") or "names" in str(refused.value)


@pytest.mark.parametrize("layout", ["pipeline", "flat", "earlier"])
def test_folders_are_read(layout: str, tmp_path: Path) -> None:
    network, found = archive(GOOGLE)
    weights = dict(found.content)
    if layout == "earlier":
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            weights = {name.replace(f".{new}.", f".{old}."): tensor for name, tensor in weights.items()}
    for name, part in (("config", "unet"), ("scheduler_config", "scheduler")):
        folder = tmp_path / part if layout == "pipeline" else tmp_path
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(found.settings[name]))
    folder = tmp_path / "unet" if layout == "pipeline" else tmp_path
    if layout == "flat":
        save_file(weights, folder / "diffusion_pytorch_model.safetensors")
        # safetensors are preferred.
        (folder / "diffusion_pytorch_model.bin").write_bytes(b"")
    else:
        torch.save(weights, folder / "diffusion_pytorch_model.bin")
    source = make("diffusers")
    method = built(source.convert(source.read(tmp_path)))
    x, theirs = outputs(network, 16, 3, None)
    with torch.no_grad():
        ours = method.predict(method.denoiser, x, (STEPS + 1) / 1000, None)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_what_is_no_such_folder_is_named(tmp_path: Path) -> None:
    source = make("diffusers")
    for path, message in ((tmp_path / "none", "is no folder"), (tmp_path, "config.json is missing")):
        with pytest.raises(UserError, match=message):
            source.read(path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(UserError, match="can't be read"):
        source.read(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="has neither"):
        source.read(tmp_path)
    assert not source.recognises(Archive(tmp_path, {"a": torch.zeros(1)}, {"config": {"_class_name": "VQModel"}}))
    _, found = archive(GOOGLE)
    weights = dict(found.content)
    del weights["mid_block.resnets.0.conv1.weight"]
    with pytest.raises(UserError, match=r"mid_block\.resnets\.0\.conv1\.weight is missing"):
        source.convert(found._replace(content=weights))
    with pytest.raises(UserError, match=r"other\.weight .* has no counterpart"):
        source.convert(found._replace(content=found.content | {"other.weight": torch.zeros(1)}))


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "learned_range"])
@pytest.mark.parametrize("clip_sample", [False, True])
def test_the_whole_chain_draws_the_same_samples(variance: str, clip_sample: bool) -> None:
    config = GOOGLE | {"out_channels": 6 if variance == "learned_range" else 3, "sample_size": 8}
    scheduler = {"num_train_timesteps": 8, "variance_type": variance, "clip_sample": clip_sample, "beta_end": 0.3}
    network, found = archive(config, **scheduler)
    method = built(make("diffusers").convert(found))
    # The first update is a copy.
    method.average.update_parameters(method.denoiser)
    noise = torch.Generator().manual_seed(3)
    start = torch.randn(2, 3, 8, 8, generator=noise)
    state = noise.get_state()
    chain, x = diffusers.DDPMScheduler(**scheduler), start
    with torch.no_grad():
        for step in chain.timesteps:
            x = chain.step(network(x, step).sample, step, x, generator=noise).prev_sample
        noise.set_state(state)
        ours = method.sampler(
            method.denoise_with(None), method.process, start, lambda: torch.randn(2, 3, 8, 8, generator=noise)
        )
    assert x.std() > 0.2
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-4)


def test_defaults_are_those_of_our_classes() -> None:
    for kind, known in ((UNet, UNET_DEFAULTS), (DiscreteProcess, PROCESS_DEFAULTS)):
        parameters = inspect.signature(kind).parameters
        assert {name: parameters[name].default for name in known} == known


def test_thresholding_that_reaches_no_further_than_one_is_clamping() -> None:
    for most, clamp in ((1.0, "static"), (1e6, "dynamic")):
        _, found = archive(GOOGLE, thresholding=True, sample_max_value=most)
        assert make("diffusers").convert(found).settings["sampler.clamp"] == clamp
