"""Who builds a method, a network or a sampler in Python gets what the configuration would choose."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from genbench.config.folder import CONF

FILES = [
    path
    for group in ("method", "network", "sampler", "metrics", "process")
    for path in sorted((CONF / group).rglob("*.yaml"))
]

VARIANTS = {
    # Made by its own settings, as the class is by default.
    "method/stylegan.yaml": {"adaptive"},
    # A choice of its own within a group, of which another file has the defaults.
    "method/ddgan.yaml": {"ema_decay", "schedule", "steps"},
    "method/wgan_gp.yaml": {"latent_dim"},
    "metrics/domains.yaml": {"extractor", "scores"},
    "metrics/full.yaml": {"extractor", "scores", "halves", "cache"},
    "metrics/inception.yaml": {"extractor", "scores", "cache"},
    "metrics/pairs.yaml": {"scores"},
    "metrics/points.yaml": {"extractor", "scores", "cache"},
    "metrics/scenes.yaml": {"scores"},
    "network/cyclegan.yaml": {"norm"},
    "method/edm.yaml": {"clip", "ema_decay"},
    # The optimizer's, whose own defaults are CLIP's.
    "method/vqgan_transformer.yaml": {"betas", "lr", "weight_decay"},
    # Which source images, is asked of whoever builds one.
    "method/regression.yaml": {"derive"},
    "method/sr3.yaml": {"derive"},
    # The decoder's, if another is chosen.
    "method/unclip.yaml": {"sampler"},
    # The text tower's follows the image tower's.
    **{f"network/clip_{name}.yaml": {"gelu"} for name in ("small", "vit_b16", "vit_b32", "vit_l14")},
    # GLIDE's, whose text tower follows the image tower.
    "network/clip_glide.yaml": {"biases", "gelu", "vocabulary"},
    "network/diffae_small.yaml": {"attention", "blocks", "multipliers", "width"},
    "network/ddgan.yaml": {
        "blocks",
        "dropout",
        "input_pyramid",
        "resampling",
        "time_scale",
    },
    "network/ddgan_small.yaml": {
        "adaptive",
        "attention",
        "batch_deviation",
        "blocks",
        "dropout",
        "initialisation",
        "multipliers",
        "padding",
        "width",
    },
    "network/mlp_against_dcgan.yaml": {"hidden", "width"},
    "network/classifier_small.yaml": {"width"},
    # DCGAN's discriminator, half as wide.
    "network/context_encoder.yaml": {"width"},
    # Of the text encoders.
    "network/stackgan_small.yaml": {"width"},
    "network/stackgan_refiner_small.yaml": {"blocks", "residual", "width"},
    "process/ve.yaml": {"sigma_min", "sigma_max"},
    "sampler/repaint.yaml": {"steps"},
    # A folder to write to.
    "metrics/digits.yaml": {"cache"},
}


def defaults_of(target: str) -> dict[str, Any]:
    """Return the defaults of a class's arguments, those of its bases among them, or of a function's."""
    module, _, name = target.rpartition(".")
    found = getattr(import_module(module), name)
    makers = [one.__init__ for one in reversed(found.__mro__)] if isinstance(found, type) else [found]
    parameters = [parameter for make in makers for parameter in inspect.signature(make).parameters.values()]
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}


def differing(config: Any) -> Iterator[str]:
    """Yield the keys of a configuration whose values are not the defaults of what they are given to."""
    if isinstance(config, dict):
        target = config.get("_target_", "")
        defaults = defaults_of(target) if target.startswith("genbench.") else {}
        for key, value in config.items():
            default = defaults.get(key, value)
            if value != (list(default) if isinstance(default, tuple) else default):
                yield key
            yield from differing(value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_the_defaults_are_those_of_the_configuration(file: Path) -> None:
    assert set(differing(yaml.safe_load(file.read_text()))) == VARIANTS.get(str(file.relative_to(CONF)), set())
