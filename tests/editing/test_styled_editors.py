"""Editors of methods with styles, with an untrained StyleGAN."""

from typing import Any

import pytest
import torch
from torch import nn

from genbench.editing.base import Inputs, check_result
from genbench.editing.interpolate import Interpolate
from genbench.editing.project import Project
from genbench.editing.style_mixing import StyleMixing
from genbench.editing.style_search import features_apart, rate_at
from genbench.errors import UserError
from genbench.images import to_float
from genbench.methods.adversarial.stylegan import StyleGAN
from genbench.randomness import Noise
from tests.kinds import classes
from tests.methods.adversarial.test_stylegan import method as stylegan


def method(**settings: Any) -> StyleGAN:
    gan = stylegan(**settings).eval()
    # Untrained images are far out of range, where they would all be black and white.
    with torch.no_grad():
        for block in gan.average.module.blocks:  # type: ignore[union-attr]
            block.to_image.convolution.weight.mul_(0.1)
    return gan


def edited(editor: Any, count: int, **inputs: Any) -> Any:
    return check_result(editor, editor.edit(Inputs(count, **inputs), noise=Noise(3, 0)), count)


def test_a_path_in_w_ends_at_the_samples_of_its_latents() -> None:
    gan = method()
    by_z, by_w = (edited(Interpolate(gan, steps=4, path="linear", space=space), 2) for space in ("z", "w"))
    frames_z, frames_w = (result.intermediate for result in (by_z, by_w))
    for end in (0, -1):
        assert int((frames_z[:, end].int() - frames_w[:, end].int()).abs().max()) <= 1
    assert not torch.equal(frames_z[:, 1], frames_w[:, 1])
    # Halfway in w is the image of the mean of both.
    halfway = edited(Interpolate(gan, steps=3, path="linear", space="w"), 2).intermediate[:, 1]
    noise = Noise(3, 0)
    start, end = (gan.styles(noise.normal(2, 8)) for _ in range(2))
    expected = gan.medium.store(gan.synthesise((start + end) / 2).clamp(-1, 1))
    assert int((halfway.int() - expected.int()).abs().max()) <= 1


def test_space_w_takes_a_method_with_styles() -> None:
    class Plain:
        medium, latent_dim, condition = method().medium, 4, None

    with pytest.raises(ValueError, match="such as stylegan"):
        Interpolate(Plain(), space="w")  # type: ignore[arg-type]


def test_mixing_all_layers_gives_the_others_and_the_last_alone_little() -> None:
    gan = method()

    def table(first: int, last: int) -> Any:
        result = edited(StyleMixing(gan, rows=2, columns=3, first=first, last=last), 1)
        assert result.pictures.shape == (1, 1, 3 * 16, 4 * 16)
        return result.pictures[0].unflatten(2, (4, 16)).unflatten(1, (3, 16)).permute(1, 3, 0, 2, 4)

    cells = table(0, gan.layers - 1)
    assert int(cells[0, 0].min()) == 255
    # With all styles an image is the one that they are of.
    for row in (1, 2):
        assert int((cells[row, 1:].int() - cells[0, 1:].int()).abs().max()) <= 1
    assert not torch.equal(cells[1, 0], cells[2, 0])
    # Fewer layers leave more of the image as it is.
    apart = [(table(first, 5)[1, 1].float() - table(first, 5)[1, 0].float()).abs().mean() for first in (0, 3, 5)]
    assert apart[0] > apart[1] > apart[2]


def test_each_edit_is_another_table() -> None:
    result = edited(StyleMixing(method(), rows=1, columns=1), 1)
    other = StyleMixing(method(), rows=1, columns=1).edit(Inputs(1), noise=Noise(3, 1))
    assert not torch.equal(result.pictures, other.pictures)


def test_one_class_is_shown_by_all_of_a_table() -> None:
    gan = method(condition=classes(3), conditional=True)
    one, two = (edited(StyleMixing(gan, rows=1, columns=1), 1, condition=torch.tensor([label])) for label in (0, 1))
    assert not torch.equal(one.pictures, two.pictures)


@pytest.mark.parametrize("settings", [{"rows": 0}, {"columns": 0}, {"first": 3, "last": 2}, {"last": 6}])
def test_what_mixing_refuses(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(reversed(settings))):
        StyleMixing(method(), **settings)


def test_an_image_of_the_generator_is_found_again() -> None:
    gan = method()
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    images = gan.decode(z).detach()
    for perceptual in ("none", "discriminator"):
        editor = Project(gan, space="w", steps=200, lr=0.1, perceptual=perceptual, pictures=3)  # type: ignore[arg-type]
        result = edited(editor, 3, images=images)
        begun = (images - gan.synthesise(gan.mean_style.expand(1, gan.layers, 8))).abs().mean()
        assert (result.scores["distance"][:, -1] < 0.5 * result.scores["distance"][:, 0]).all()
        # By pixels one of them ends in another minimum; features of an untrained network have more of these.
        found = (result.scores["mae"] < (0.02 if perceptual == "none" else 0.8) * float(begun)).tolist()
        assert found.count(True) >= 2
        assert result.intermediate.shape == (3, 3, 1, 16, 16)
        # The strip is the image, and what was found.
        assert torch.equal(result.pictures[..., :16], gan.medium.store(images))
        assert torch.equal(result.pictures[..., 16:], result.intermediate[:, -1])
        error = (to_float(result.pictures[..., 16:]) - images).abs().flatten(1).mean(1)
        torch.testing.assert_close(result.scores["mae"], error, atol=0.005, rtol=0)


def test_a_style_for_each_layer_comes_closer_than_one_for_all() -> None:
    gan = method()
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    errors = [
        edited(Project(gan, space=space, steps=120, perceptual="none"), 2, images=images).scores["mae"].mean()
        for space in ("w_plus", "w")
    ]
    assert errors[0] < errors[1]


def test_each_image_is_led_by_itself() -> None:
    gan = method()
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    both = edited(Project(gan, steps=10), 2, images=images)
    other = edited(Project(gan, steps=10), 2, images=torch.stack([images[0], -images[1]]))
    assert int((both.pictures[0].int() - other.pictures[0].int()).abs().max()) <= 1


def test_features_apart_are_those_of_directions() -> None:
    f = torch.randn(2, 5, 4, 4)
    assert float(features_apart([f, 2 * f], [3 * f, f]).abs().max()) < 1e-6
    torch.testing.assert_close(features_apart([f], [-f]), torch.full((2,), 4.0))


def test_the_rate_rises_and_falls() -> None:
    assert rate_at(0.0) < 0.05
    assert rate_at(0.5) == 1.0
    assert rate_at(1.0) == 0.0


@pytest.mark.parametrize(
    "settings",
    [{"space": "x"}, {"perceptual": "vgg"}, {"steps": 0}, {"lr": 0}, {"pictures": 1}, {"perceptual_weight": -1}],
)
def test_what_projection_refuses(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        Project(method(), **settings)


def test_lpips_takes_weights_that_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match="VGG-16"):
        Project(method(), perceptual="lpips")


def test_nothing_of_the_method_is_changed() -> None:
    gan = method()
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    edited(Project(gan, steps=3), 1, images=torch.zeros(1, 1, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert all(isinstance(each, nn.Parameter) for each in gan.parameters())
