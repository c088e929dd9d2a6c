"""Text2LIVE: its terms in closed form, and what it makes of images, with an untrained CLIP."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from genbench.editing.base import Inputs, check_result
from genbench.editing.text2live import Layer, Text2Live, layer_of, sparsity, structure
from genbench.errors import UserError
from genbench.images import to_float
from genbench.medium import Images
from genbench.networks.skip_network import SkipNetwork
from genbench.randomness import Noise
from tests.methods.contrastive.test_clip import clip

NETWORK = partial(SkipNetwork, width=8)


def editor(**settings: Any) -> Text2Live:
    model = clip(medium=Images((3, 16, 16))).eval()
    model.requires_grad_(False)
    return Text2Live(model, **{"steps": 3, "views": 2, "network": NETWORK, **settings})


def edited(own: Text2Live, images: torch.Tensor, texts: list[str], seed: int = 3) -> Any:
    return check_result(own, own.edit(Inputs(len(images), images, texts=texts), noise=Noise(seed, 0)), len(images))


def pictures(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_clear_layer_changes_nothing_and_an_opaque_one_is_all_that_is_seen() -> None:
    x, colours = pictures(2)[:1], pictures(2)[1:]
    clear, opaque = (Layer(colours, torch.full((1, 1, 16, 16), value)) for value in (0.0, 1.0))
    assert torch.equal(clear.over(x), x)
    assert torch.equal(opaque.over(x), colours)
    green = (clear.on_green()[0, :, 0, 0] + 1) / 2 * 255
    assert green.round().tolist() == [0, 177, 64]
    assert torch.equal(opaque.on_green(), colours)


def test_sparsity_in_closed_form() -> None:
    assert float(sparsity(torch.zeros(2, 1, 4, 4))) == 0
    assert float(sparsity(torch.ones(2, 1, 4, 4))) == pytest.approx(1 + 2 / (1 + math.exp(-5)) - 1, rel=1e-6)


def test_structure_knows_no_scale_and_no_rotation_of_features() -> None:
    places = torch.randn(2, 9, 5)
    assert float(structure(places, 3 * places)) == pytest.approx(0, abs=1e-10)
    turned, _ = torch.linalg.qr(torch.randn(5, 5))
    assert float(structure(places, places @ turned)) == pytest.approx(0, abs=1e-10)
    assert float(structure(places, torch.randn(2, 9, 5))) > 0.01


def test_the_generator_has_the_authors_parameters() -> None:
    with torch.device("meta"):
        network = SkipNetwork(3, 4, 512)
    assert sum(each.numel() for each in network.parameters()) == 3_115_548
    drawn = SkipNetwork(3, 4, 12, width=8)(torch.rand(2, 3, 20, 12))
    assert drawn.shape == (2, 4, 20, 12)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1


def test_a_result_is_the_image_with_its_layer() -> None:
    own = editor()
    x = pictures()
    result = edited(own, x, ["red one"])
    (beside,) = result.beside.pictures
    assert result.beside.labels == [["layer", "opacity"]]
    opacity = beside[1, :1].float() / 255
    assert float(result.scores["opacity"]) == pytest.approx(float(opacity.mean()), abs=0.01)
    # What is laid over the image and what is laid over green are one layer.
    over = (1 - opacity) * ((to_float(result.pictures[0]) * 0 + x[0]) - 0)
    green = 2 * torch.tensor([0.0, 177 / 255, 64 / 255])[:, None, None] - 1
    laid = to_float(beside[0]) - (1 - opacity) * green
    torch.testing.assert_close(over + laid, to_float(result.pictures[0]), atol=0.03, rtol=0)
    # By the seed alone.
    assert torch.equal(edited(own, x, ["red one"]).pictures, result.pictures)
    assert not torch.equal(edited(own, x, ["red one"], seed=4).pictures, result.pictures)


def test_the_loss_of_a_clear_layer() -> None:
    own = editor(composition_weight=0.0, screen_weight=0.0, source="blue one", region="one")
    x = pictures()
    texts = own._texts("red one")
    generator = torch.Generator().manual_seed(0)
    clear = Layer(x, torch.zeros(1, 1, 16, 16))
    relevance = own.method.relevance(x, texts.region)
    wanted = torch.nn.functional.interpolate(relevance[:, None], (16, 16), mode="bilinear")
    # Structure and sparsity are 0; what is left falls from the first step to the last.
    for step, left in ((0, 1.0), (500, 0.5), (1000, 0.0)):
        loss = own.loss(x, clear, texts, step, generator)
        assert float(loss) == pytest.approx(left * 10 * float(wanted.square().mean()), rel=1e-4, abs=1e-9)


def test_more_sparsity_is_less_of_a_layer() -> None:
    opacities = [
        float(edited(editor(steps=40, lr=0.02, sparsity_weight=weight), pictures(), ["red one"]).scores["opacity"])
        for weight in (0.0, 2000.0)
    ]
    assert opacities[1] < 0.5 * opacities[0]


def test_frames_of_a_clip_have_one_generator() -> None:
    own = editor(together=True)
    result = edited(own, pictures(3), ["red one"] * 3)
    assert result.pictures.shape == (3, 3, 16, 16)
    with pytest.raises(UserError, match="one generator"):
        edited(own, pictures(2), ["red one", "blue one"])
    # Alone, each image has its own, as the number of edits of a call says.
    assert own.chunk > 1 == editor().chunk


def test_a_layer_is_what_the_network_says() -> None:
    network = NETWORK(3, 4, 16)
    x = pictures()
    layer = layer_of(network, x)
    drawn = network(x)
    torch.testing.assert_close(layer.colours, 2 * drawn[:, :3] - 1)
    torch.testing.assert_close(layer.opacity, drawn[:, 3:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"lr": 0}, "lr"),
        ({"least": 0}, "least"),
        ({"sparsity_weight": -1}, "sparsity_weight"),
        ({"templates": ["no place"]}, "no place"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        editor(**settings)


def test_a_text_that_the_clip_does_not_know_is_named() -> None:
    for key, settings in (("prompt", {}), ("editor.region", {"region": "purple"})):
        with pytest.raises(UserError, match=rf"{key}=purple"):
            edited(editor(**settings), pictures(), ["purple" if key == "prompt" else "red one"])
