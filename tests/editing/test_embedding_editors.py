"""Editors that work through an image's embedding, with a model whose embeddings are angles of brightness."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.editing.base import Inputs, check_result
from genbench.editing.mix_images import MixImages
from genbench.editing.text_difference import TextDifference
from genbench.editing.variations import Variations
from genbench.errors import UserError
from genbench.images import to_float
from genbench.medium import Images
from genbench.randomness import Noise
from tests.embedders import CAPTIONS, Brightness


class Angles:
    """Draws images as bright as the angle of an embedding, and a hundredth of the noise that it began with."""

    def __init__(self) -> None:
        self.clip = Brightness()
        self.medium = Images((1, 8, 8))
        self.condition = self.captions = CAPTIONS
        self.embedding_dim, self.embeddings = 4, "unit"
        self.derives_condition = False
        self.device = torch.device("cpu")

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        raise AssertionError

    def condition_of(self, batch: Any) -> Tensor | None:
        raise AssertionError

    def embed(self, x: Tensor) -> Tensor:
        return self.clip.embed_images(x) / 2

    def embed_captions(self, rows: Tensor) -> Tensor:
        return self.clip.embed_texts(rows) / 3

    def invert(self, x: Tensor, z: Tensor, *, steps: int) -> Tensor:
        return torch.full_like(x, 100.0 / steps)

    def fresh_start(self, count: int, *, noise: Noise) -> Tensor:
        return noise.normal(count, 1, 8, 8)

    def decode_embeddings(
        self, z: Tensor, *, noise: Noise, start: Tensor | None = None, tokens: Tensor | None = None
    ) -> Tensor:
        begun = self.fresh_start(len(z), noise=noise) if start is None else start
        return (torch.atan2(z[:, 1], z[:, 0]).view(-1, 1, 1, 1) + begun / 100).clamp(-1, 1).detach()


LEVELS = torch.tensor([-0.8, 0.8, 0.0])
IMAGES = LEVELS.view(3, 1, 1, 1).expand(3, 1, 8, 8)
ROWS = CAPTIONS.encode(["bright", "bright", "dark"])


def edited(editor: Any, **inputs: Tensor) -> Any:
    return check_result(editor, editor.edit(Inputs(3, images=IMAGES, **inputs), noise=Noise(0, 0)), 3)


def brightness(strips: Tensor, pictures: int) -> Tensor:
    return to_float(strips).unflatten(3, (pictures, 8)).mean((1, 2, 4))


def test_variations_share_the_embedding_and_differ_in_the_noise() -> None:
    result = edited(Variations(Angles(), variations=3))  # type: ignore[arg-type]
    assert result.pictures.shape == (3, 1, 8, 32)
    torch.testing.assert_close(brightness(result.pictures, 4), LEVELS[:, None].expand(-1, 4), atol=0.02, rtol=0)
    first, *others = to_float(result.pictures).unflatten(3, (4, 8)).unbind(3)
    assert torch.allclose(first, IMAGES, atol=0.01)
    assert not torch.equal(others[0], others[1])
    torch.testing.assert_close(result.scores["cosine"], torch.ones(3), atol=1e-3, rtol=0)


def test_inverted_variations_all_begin_with_the_images_noise() -> None:
    result = edited(Variations(Angles(), variations=2, start="inverted", steps=10))  # type: ignore[arg-type]
    # The stand-in's noise is 100 / steps, of which a hundredth is seen.
    torch.testing.assert_close(
        brightness(result.pictures, 3)[:, 1:], (LEVELS + 0.1).clamp(-1, 1)[:, None].expand(-1, 2), atol=0.01, rtol=0
    )


@pytest.mark.parametrize("start", ["inverted", "fixed"])
def test_images_are_mixed_along_the_circle(start: Any) -> None:
    others = IMAGES.roll(-1, 0)
    result = edited(MixImages(Angles(), start=start, pictures=5, steps=1000), others=others)  # type: ignore[arg-type]
    expected = torch.lerp(LEVELS[:, None], LEVELS.roll(-1)[:, None], torch.linspace(0, 1, 5))
    torch.testing.assert_close(brightness(result.pictures, 5), expected, atol=0.01, rtol=0)
    assert result.intermediate.shape == (3, 5, 1, 8, 8)
    assert result.scores["neighbour_l1"].shape == (3, 4)
    if start == "fixed":
        # One noise for all pictures of a strip.
        frames = to_float(result.intermediate)
        texture = frames - frames.mean((3, 4), keepdim=True)
        torch.testing.assert_close(texture[:, 0], texture[:, 3], atol=0.01, rtol=0)


def test_a_text_difference_leads_towards_what_the_prompt_adds() -> None:
    editor = TextDifference(Angles(), source="grey", theta=0.5, pictures=3, steps=1000)  # type: ignore[arg-type]
    result = edited(editor, condition=ROWS)
    # From grey to bright the difference has the direction of half a radian plus a right angle.
    target = torch.tensor([0.5, 0.5, -0.5]) + torch.pi / 2 * torch.tensor([1.0, 1.0, -1.0])
    expected = LEVELS + 0.5 * (target - LEVELS)
    # The third is led from grey to dark.
    torch.testing.assert_close(brightness(result.pictures, 3)[:, 2], expected.clamp(-1, 1), atol=0.02, rtol=0)
    torch.testing.assert_close(brightness(result.pictures, 3)[:, 0], LEVELS, atol=0.01, rtol=0)
    cosine = result.scores["cosine"]
    assert cosine.shape == (3, 3)
    assert (cosine[2, 2] > cosine[2, 0]).item()


def test_a_text_difference_may_begin_with_other_noise_than_the_images() -> None:
    editor = TextDifference(Angles(), source="grey", start="fixed", theta=0.05, pictures=3)  # type: ignore[arg-type]
    frames = to_float(edited(editor, condition=ROWS).intermediate)
    textures = frames[2] - frames[2].mean((2, 3), keepdim=True)
    assert textures[0].std() > 0.005
    # Nothing of the image's own noise, which is flat here; one for all pictures of a strip.
    torch.testing.assert_close(textures[0], textures[1], atol=0.01, rtol=0)


def test_a_text_difference_takes_a_prompt_that_differs() -> None:
    editor = TextDifference(Angles(), source="bright")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="takes the prompt="):
        edited(editor)
    with pytest.raises(UserError, match="the prompt is the source"):
        edited(editor, condition=ROWS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variations(Angles(), variations=0), "variations must be at least 1"),  # type: ignore[arg-type]
        (lambda: Variations(Angles(), start="early"), "start must be fresh or inverted"),  # type: ignore[arg-type]
        (lambda: MixImages(Angles(), pictures=1), "pictures must be at least 2"),  # type: ignore[arg-type]
        (lambda: TextDifference(Angles(), theta=0.0), "theta must be in"),  # type: ignore[arg-type]
        (lambda: TextDifference(Angles(), start="fresh"), "start must be inverted or fixed"),  # type: ignore[arg-type]
        (lambda: TextDifference(Angles(), source="purple"), "purple"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
