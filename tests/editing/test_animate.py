"""The editor that animates a portrait, with an untrained model."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.editing.animate import Animate
from genbench.editing.base import Inputs, check_result
from genbench.images import to_uint8
from genbench.methods.adversarial.talking_heads import TalkingHeads
from genbench.randomness import Noise
from tests.embedders import Brightness
from tests.methods.adversarial.test_talking_heads import frames, make


@pytest.fixture
def method() -> TalkingHeads:
    return make().eval()


def animated(method: Any, shots: Tensor, driver: Tensor, **settings: Any) -> Any:
    editor = Animate(method, **({"pictures": 3} | settings))
    return check_result(editor, editor.edit(Inputs(1, shots=shots, driver=driver), noise=Noise(0)), 1)


def test_results_are_the_portrait_in_the_drivers_poses(method: TalkingHeads) -> None:
    shots, driver = frames(2), frames(5)
    result = animated(method, shots, driver)
    drawn = to_uint8(method.portrait(shots)(method.find_keypoints(driver)))
    shown = result.intermediate[0]
    assert shown.shape == (5, 1, 32, 16)
    assert torch.equal(shown[:, :, :16], to_uint8(driver))
    assert torch.equal(shown[:, :, 16:], drawn)
    # The strip has the first, the middle and the last.
    assert torch.equal(result.pictures[0], torch.cat([shown[0], shown[2], shown[4]], dim=2))
    error = method.find_keypoints(method.portrait(shots)(method.find_keypoints(driver))) - method.find_keypoints(driver)
    torch.testing.assert_close(result.scores["pose_error"][0], error.norm(dim=-1).mean(1), atol=1e-5, rtol=1e-4)


def test_relative_motion_begins_in_the_portraits_own_pose(method: TalkingHeads) -> None:
    shots, driver = frames(2), frames(6)[2:]
    own = to_uint8(method.portrait(shots)(method.find_keypoints(shots[:1])))
    result = animated(method, shots, driver, motion="relative")
    assert torch.equal(result.intermediate[0, 0, :, 16:], own[0])
    # A driver that does not move leaves it there.
    still = animated(method, shots, driver[:1].expand(3, -1, -1, -1), motion="relative").intermediate[0, :, :, 16:]
    assert torch.equal(still, own.expand(3, -1, -1, -1))
    assert not torch.equal(result.intermediate, animated(method, shots, driver).intermediate)


def test_a_driver_of_one_frame_fills_the_strip(method: TalkingHeads) -> None:
    result = animated(method, frames(1), frames(1), pictures=2)
    assert torch.equal(result.pictures[..., :16], result.pictures[..., 16:])
    assert result.scores["pose_error"].shape == (1, 1)


def test_faces_are_compared_by_another_run(method: TalkingHeads) -> None:
    shots, driver = frames(2), frames(3)
    part = Brightness(side=16)
    result = animated(method, shots, driver, identity=part)
    drawn = method.portrait(shots)(method.find_keypoints(driver)).flatten(1).mean(1)
    expected = (drawn[:, None] - shots.flatten(1).mean(1)).cos().mean(1)
    torch.testing.assert_close(result.scores["identity"][0], expected, atol=1e-5, rtol=1e-4)
    expected = (drawn - driver.flatten(1).mean(1)).cos()
    torch.testing.assert_close(result.scores["identity_driver"][0], expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"parts\.identity"):
        Animate(method, Brightness(side=8))


@pytest.mark.parametrize("settings", [{"motion": "mixed"}, {"finetune_steps": -1}, {"pictures": 0}])
def test_what_does_not_do(method: TalkingHeads, settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        Animate(method, **settings)
