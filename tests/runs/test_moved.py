"""What a setting's absence means in a saved configuration: what was the default when it was saved."""

from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from genbench.networks.resnet import OptimisedBlock
from genbench.runs.folder import RunFolder
from genbench.runs.moved import spelled_out, translate

CRITIC = {"_target_": "genbench.networks.resnet.ResNetCritic", "image_shape": [3, 16, 16], "width": 4}
UNET = {"_target_": "genbench.networks.unet.UNet", "_partial_": True, "width": 8}
CHAIN = {"_target_": "genbench.diffusion.processes.DiscreteProcess", "steps": 4}


def run(**network: Any) -> dict[str, Any]:
    return {
        "name": "run",
        "seed": 0,
        "steps": 4,
        "callbacks": {},
        "logger": {},
        "trainer": {"_target_": "lightning.pytorch.trainer.Trainer"},
        "data": {"_target_": "genbench.data.digits.Digits"},
        "network": {"denoiser": UNET | network},
        "method": {"_target_": "genbench.methods.denoising.ddpm.DDPM", "denoiser": UNET | network, "process": CHAIN},
    }


def test_an_earlier_run_keeps_its_conventions() -> None:
    method = translate(run())["method"]
    assert (method["denoiser"]["padding"], method["denoiser"]["initialisation"]) == ("openai", "openai")
    assert method["process"]["first_index"] == 1
    kept = translate(run(padding="ho", initialisation="ho"))["method"]["denoiser"]
    assert (kept["padding"], kept["initialisation"], kept["width"]) == ("ho", "ho", 8)


def test_a_run_of_today_says_its_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    # As of a network or a process of a plug-in's file, which leaves out what it doesn't change.
    folder.create(OmegaConf.create(run(padding="openai")))
    found = folder.read_config()
    assert (found.method.denoiser.padding, found.method.denoiser.initialisation) == ("openai", "ho")
    assert found.network.denoiser.padding == "openai"
    assert found.method.process.first_index == 0
    # Nothing is added to what has no such setting.
    assert spelled_out([{"_target_": "torch.nn.ReLU"}, 3]) == [{"_target_": "torch.nn.ReLU"}, 3]


@pytest.mark.parametrize(
    ("saved", "optimised"), [({}, False), ({"first_block": "optimised"}, True), ({"first_block": "convolution"}, False)]
)
def test_a_critic_of_before_keeps_its_first_convolution(saved: dict[str, Any], optimised: bool) -> None:
    found = translate({"network": {"discriminator": CRITIC | saved}})["network"]["discriminator"]
    assert isinstance(instantiate(found).features[0], OptimisedBlock) is optimised
    assert found["width"] == 4
