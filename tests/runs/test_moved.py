"""Settings that a saved configuration lacks mean what they did, where today's default is another."""

from typing import Any

import pytest
from hydra.utils import instantiate

from genbench.networks.resnet import OptimisedBlock
from genbench.runs.moved import translate

CRITIC = {"_target_": "genbench.networks.resnet.ResNetCritic", "image_shape": [3, 16, 16], "width": 4}


@pytest.mark.parametrize(
    ("saved", "optimised"), [({}, False), ({"first_block": "optimised"}, True), ({"first_block": "convolution"}, False)]
)
def test_a_critic_of_before_keeps_its_first_convolution(saved: dict[str, Any], optimised: bool) -> None:
    found = translate({"network": {"discriminator": CRITIC | saved}})["network"]["discriminator"]
    assert isinstance(instantiate(found).features[0], OptimisedBlock) is optimised
    assert found["width"] == 4
