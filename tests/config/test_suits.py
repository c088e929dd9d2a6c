"""A method brings what suits it, pairs that don't go together are named, and names follow from what was chosen."""

from typing import Any

import pytest

from genbench.commands.assembly import build
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.shots import Shots
from genbench.conditions.source_images import SourceImages
from genbench.config import check, compose_config, options, short_name
from genbench.config.effects import FACTS
from genbench.config.folder import bases, own_content
from genbench.config.suits import suited
from genbench.errors import UserError
from genbench.medium import Images
from genbench.signatures import parameters_of
from tests.drawers import Grey
from tests.embedders import Brightness
from tests.first_stages import Halves
from tests.keypoint_finders import Middles
from tests.kinds import classes, trained_methods
from tests.language_models import Letters
from tests.styled import Styled

GREY = {"digits", "mnist", "edges2digits", "two_domains"}
CAPTIONED = {
    "clip", "imagen", "noisy_clip", "prior", "stackgan", "stackgan_refiner", "unclip_decoder", "upsampler",
}  # fmt: skip
PARTS: dict[str, dict[str, Any]] = {
    "diffae_latent": {"autoencoder": Halves},
    "imagen": {"text_encoder": lambda shape: Letters()},
    "latent_diffusion": {"first_stage": Halves},
    "semantic_classifier": {"autoencoder": Halves},
    "styleclip_mapper": {"generator": Styled, "embedder": lambda shape: Brightness()},
    "talking_heads": {"keypoints": Middles},
    "prior": {"embedder": lambda shape: Brightness()},
    "stackgan_refiner": {"stage_one": Grey},
    "unclip_decoder": {"embedder": lambda shape: Brightness()},
    "vqgan_transformer": {"first_stage": Halves},
}
PEOPLE = {"keypoints": ["portraits"], "talking_heads": ["portraits"]}
TRANSLATED = {"pix2pix": ["edges2digits", "paired_folder"], "cyclegan": ["two_domains", "unpaired_folder"]}
POWERS_OF_TWO = {"stargan_v2": ["cifar10", "celeba"]}
NARROW = ["generator.width", "discriminator.width", "denoiser.width", "classifier.width", "autoencoder.width"]


@pytest.mark.parametrize("method", trained_methods())
def test_every_method_is_built_for_every_size_with_what_it_brings(method: str) -> None:
    """Small images, odd ones, and large ones in colour; the networks' widths are cut to be quick."""
    for data in (TRANSLATED | PEOPLE | POWERS_OF_TWO).get(method, ["digits", "mnist", "cifar10", "celeba"]):
        config = check("train", [f"data={data}", f"method={method}"])
        shape = (1 if data in GREY else 3, config.data.size, config.data.size)
        assert (config.metrics is None) == (data not in GREY) or config.name in options("experiment")
        for key in NARROW:
            part, _, name = key.partition(".")
            if part in (config.network or {}) and name in config.network[part]:
                config.network[part][name] = 32
        condition: Condition = SourceImages(shape) if method in TRANSLATED else classes(10)
        if method in CAPTIONED:
            condition = Captions(["a", "b"], 3)
        if method in PEOPLE:
            condition = Shots(["a", "b"], 1, shape)
        parts = {name: make(shape) for name, make in PARTS.get(method, {}).items()}
        facts = dict(zip(FACTS, (Images(shape), condition, shape), strict=True))
        asked = parameters_of(config.method["_target_"]) or {}
        assert (config.sampler is not None) == ("sampler" in asked)
        build(config.method, "method", **{name: fact for name, fact in facts.items() if name in asked}, **parts)


@pytest.mark.parametrize("method", options("method"))
def test_what_a_file_says_goes_with_a_method_is_there(method: str) -> None:
    said = suited("method", method)
    settings = [value for base in bases("method", method) for value in own_content("method", base).values()]
    named = {value[len("${network.") : -1] for value in settings if str(value).startswith("${network.")}
    for group, fitting in said.items():
        assert {*fitting} <= {*options(group)}
        builds = group != "network" or named
        assert not builds or 0 in fitting.values(), f"nothing of {group} for small images"
    for network in said["network"]:
        parts = {key for base in bases("network", network) for key in own_content("network", base) if key != "defaults"}
        assert parts == named, network


@pytest.mark.parametrize(
    ("overrides", "name", "network", "sampler", "size"),
    [
        ([], "gan_digits", "dcgan", None, 32),
        (["method=ddpm"], "ddpm_digits", "unet", "ddim", 16),
        (["method=ddpm", "data=cifar10"], "ddpm_cifar10", "unet", "ancestral", 32),
        (["method=wgan_gp"], "wgan_gp_digits", "dcgan", None, 28),
        (["method=improved_ddpm", "data=celeba"], "improved_ddpm_celeba", "unet", "ancestral", 64),
        (["data=image_folder"], "gan_image_folder", "dcgan", None, 64),
        (["data=image_folder", "data.name=cats", "data.size=16"], "gan_cats", "dcgan", None, 16),
        (["experiment=gan_mnist", "data=cifar10"], "gan_cifar10", "dcgan", None, 32),
        (["experiment=gan_digits", "method=vae"], "vae_digits", "autoencoder", None, 32),
        (["experiment=gan_mnist", "name=mine", "data=digits"], "mine", "dcgan", None, 32),
        (["method=ddpm", "network=unet", "data.size=32"], "ddpm_digits", "unet", "ddim", 32),
        (["debug=true", "method=ddpm"], "debug", "unet", "ddim", 16),
        (["method=pix2pix"], "pix2pix_edges2digits", "unet_translation", None, 32),
        (["method=cyclegan"], "cyclegan_digits", "resnet_translation", None, 32),
        (["method=cyclegan", "data=digits"], "cyclegan_digits", "resnet_translation", None, 28),
    ],
)
def test_what_is_chosen_where_nothing_else_is(
    overrides: list[str], name: str, network: str, sampler: str | None, size: int
) -> None:
    overrides = ['debug="true"' if line == "debug=true" else line for line in overrides]
    config = compose_config("train", overrides)
    assert config.name == name
    assert short_name(next(iter(config.network.values()))) == network
    assert (config.sampler and config.sampler._target_.rpartition(".")[2]) == sampler
    assert config.data.size == size


def test_the_network_grows_with_the_images() -> None:
    widths = [compose_config("train", ["method=gan", f"data.size={size}"]).network.generator.width for size in (32, 64)]
    assert widths[0] < compose_config("train", ["data=celeba"]).network.generator.width
    # An experiment that was tuned keeps its network.
    assert widths[0] == widths[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=ddpm", "network=mlp"], "network=mlp does not go with method=ddpm, which takes unet_small, unet"),
        (["network=autoencoder"], "does not go with method=gan"),
        (
            ["method=vae", "network=unet"],
            "it goes with method=ddpm, edm, glide, imagen, improved_ddpm, latent_diffusion, regression, score_sde, sr3",
        ),
        (["experiment=gan_mnist", "method=ddpm"], "Leave out experiment= or method="),
    ],
)
def test_a_pair_that_does_not_go_together_is_answered_by_those_that_do(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        check("train", overrides)
    assert message in str(refused.value)


def test_a_debugging_run_is_short_and_makes_no_scores() -> None:
    config = check("train", ['debug="true"', "experiment=gan_mnist"])
    assert config.steps < 10
    assert config.metrics is None
    assert check("train", ['debug="true"', "steps=50"]).steps == 50
    # A warm-up of a hundred steps would not end.
    warm = "experiment=glide_scenes"
    assert check("train", ['debug="true"', warm]).method.schedule.warmup_steps == 0
    assert check("train", ['debug="true"', warm, "steps=200"]).method.schedule.warmup_steps == 100
