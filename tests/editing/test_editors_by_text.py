"""Editors that follow texts, with a CLIP that knows brightness and models that are known."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral
from genbench.editing.base import Inputs, check_result
from genbench.editing.by_text import Nearness, Target, losses, targets_of
from genbench.editing.clip_guided_diffusion import ClipGuidedDiffusion, excess, total_variation
from genbench.editing.styleclip_directions import Relevance, StyleclipDirections, along, measure
from genbench.editing.styleclip_optimization import StyleclipOptimization
from genbench.editing.vqgan_clip import VqganClip
from genbench.errors import UserError
from genbench.images import to_float
from genbench.medium import Images
from genbench.methods.denoising.ddpm import DDPM
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.editing.test_styled_editors import method as stylegan
from tests.embedders import Brightness
from tests.methods.denoising.test_guided_by_classifier import ADAM, Nothing

CPU = torch.device("cpu")


def clip() -> Brightness:
    model = Brightness()
    freeze(model, "0123")
    return model


def edited(editor: Any, count: int = 2, texts: list[str] | None = None, **inputs: Any) -> Any:
    words = texts or ["bright"] * count
    return check_result(editor, editor.edit(Inputs(count, texts=words, **inputs), noise=Noise(3, 0)), count)


class Levels(nn.Module):
    """A codebook of grey levels: a code for each quarter of an image."""

    codes, latent_shape, condition = 9, (1, 2, 2), None
    medium = Images((1, 8, 8))
    device = CPU

    def __init__(self) -> None:
        super().__init__()
        self.codebook = torch.linspace(-1, 1, 9)[:, None]

    def encode(self, x: Tensor, *, draw: Any = None) -> Tensor:
        return nn.functional.avg_pool2d(x, 4)

    def decode(self, z: Tensor) -> Tensor:
        nearest = self.codebook[(z[..., None] - self.codebook[:, 0]).abs().argmin(-1), 0]
        return (z + (nearest - z).detach()).repeat_interleave(4, 2).repeat_interleave(4, 3)

    def encode_codes(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def decode_codes(self, codes: Tensor) -> Tensor:
        raise NotImplementedError


def test_losses_are_the_sum_over_prompts() -> None:
    views = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    one, other = Target(torch.tensor([1.0, 0.0])), Target(torch.tensor([0.0, 1.0]), -2.0)
    quarter = (torch.pi / 2) ** 2 / 4
    assert float(losses(views, [[one]])) == pytest.approx(quarter, rel=1e-4)
    assert float(losses(views, [[one, other]])) == pytest.approx(quarter - 2 * quarter, rel=1e-4)


def test_nearness_is_of_all_prompts_by_their_weights() -> None:
    nearness = Nearness(clip(), clip(), CPU)
    assert [*nearness.scores] == ["cosine", "held_out_cosine"]
    bright = torch.ones(1, 1, 8, 8)
    cosine = torch.tensor(2.0).cos()
    scores = nearness.of(bright.expand(3, -1, -1, -1), ["bright", "bright:3|dark", "dark:-1"])
    torch.testing.assert_close(scores["cosine"], torch.stack([torch.tensor(1.0), (3 + cosine) / 4, -cosine]))
    assert torch.equal(scores["cosine"], scores["held_out_cosine"])


def test_what_a_clip_does_not_know_is_said() -> None:
    with pytest.raises(UserError, match="purple"):
        targets_of(clip(), ["bright|purple:2"], CPU)
    with pytest.raises(UserError, match="prompt without a text"):
        targets_of(clip(), ["bright|"], CPU)


def test_vqgan_clip_leads_codes_to_the_text() -> None:
    editor = VqganClip(Levels(), clip(), steps=60, cutouts=2, noise=0.0, pictures=3)  # type: ignore[arg-type]
    result = edited(editor, 2, ["bright", "dark"])
    bright, dark = to_float(result.pictures).flatten(1).mean(1).tolist()
    assert bright > 0.8
    assert dark < -0.8
    assert (result.scores["loss"][:, -1] < result.scores["loss"][:, 0]).all()
    assert (result.scores["cosine"] > 0.98).all()
    # From random codes, as they are at first.
    assert result.intermediate.shape == (2, 3, 1, 8, 8)
    assert torch.equal(result.intermediate[:, -1], result.pictures)
    # Edit i depends on the seed and i alone.
    again = edited(editor, 2, ["bright", "bright"])
    assert torch.equal(again.pictures[0], result.pictures[0])


def test_a_prompt_to_be_kept_away_from_and_one_that_stops() -> None:
    def brightness(text: str, **settings: Any) -> float:
        editor = VqganClip(Levels(), clip(), steps=60, cutouts=1, noise=0.0, **settings)  # type: ignore[arg-type]
        return float(to_float(edited(editor, 1, [text], images=torch.zeros(1, 1, 8, 8)).pictures).mean())

    assert brightness("dark:-1") > 0.8
    # A distance that is nearer than its stop from the start leads nowhere.
    assert brightness("bright:1:2") == pytest.approx(0, abs=0.01)
    # What holds latents to those of the image, holds it.
    assert brightness("bright", start_weight=50.0) < brightness("bright") - 0.3


def test_a_picture_can_be_a_prompt() -> None:
    editor = VqganClip(Levels(), clip(), steps=60, cutouts=1, noise=0.0, image_weight=9.0)  # type: ignore[arg-type]
    others = torch.full((1, 1, 8, 8), -0.8)
    result = edited(editor, 1, ["bright"], others=others)
    assert float(to_float(result.pictures).mean()) < -0.3


def denoiser(**settings: Any) -> DDPM:
    sampler = partial(ancestral, steps=50)
    process = DiscreteProcess("cosine", 100)
    # To predict v = 0 is to know that pixels are N(0, 1).
    method = DDPM(
        Nothing, Images((1, 8, 8)), process=process, prediction="v", sampler=sampler, optimizer=ADAM, **settings
    )
    return method.eval()


def test_clip_guided_diffusion_leads_an_unconditional_model() -> None:
    method = denoiser()
    means = {}
    for text in ("bright", "dark"):
        for scale in (0.0, 30.0):
            editor = ClipGuidedDiffusion(method, clip(), scale=scale, cutouts=1)
            means[text, scale] = edited(editor, 4, [text] * 4).scores["cosine"].mean()
    for text in ("bright", "dark"):
        assert means[text, 30.0] > means[text, 0.0] + 0.1
    # The more the scale, the nearer.
    near = [
        float(edited(ClipGuidedDiffusion(method, clip(), scale=scale, cutouts=1), 4).scores["cosine"].mean())
        for scale in (0.0, 10.0, 100.0)
    ]
    assert near[0] < near[1] < near[2]


def test_sampling_from_an_image_keeps_what_is_larger_than_the_noise() -> None:
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    errors = []
    for begin in (0.02, 0.3, 1.0):
        editor = ClipGuidedDiffusion(denoiser(), clip(), scale=0.0, begin=begin)
        result = edited(editor, 2, images=images)
        errors.append(float((to_float(result.pictures) - images).abs().mean()))
    assert errors[0] < 0.1
    assert errors[0] < errors[1] < errors[2]


def test_terms_of_pictures() -> None:
    assert float(total_variation(torch.ones(1, 3, 4, 4))) == 0
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    # Three of four columns have a neighbour that is larger by 1.
    assert float(total_variation(ramp)) == pytest.approx(0.75)
    x = torch.tensor([[-3.0, 0.5, 1.0, 2.0]]).view(1, 1, 2, 2)
    assert float(excess(x)) == pytest.approx((4 + 1) / 4)


def test_styles_are_led_to_the_text() -> None:
    gan = stylegan()
    editor = StyleclipOptimization(gan, clip(), steps=40, l2=0.0, lr=0.05)
    result = edited(editor, 2)
    assert (result.scores["cosine"] > result.scores["cosine_before"]).all()
    assert result.pictures.shape == (2, 1, 16, 32)
    # What holds styles back, holds the image back.
    held = edited(StyleclipOptimization(gan, clip(), steps=40, l2=1.0, lr=0.05), 2)
    assert (held.scores["moved"] < result.scores["moved"]).all()
    nothing = edited(StyleclipOptimization(gan, clip(), steps=1, lr=1e-9), 2)
    assert int((nothing.pictures[..., :16].int() - nothing.pictures[..., 16:].int()).abs().max()) <= 1


def test_an_identity_holds_the_image_back() -> None:
    gan = stylegan()
    free, held = (
        edited(StyleclipOptimization(gan, clip(), identity=own, identity_weight=weight, steps=30, l2=0.0), 1)
        for own, weight in ((None, 0.0), (clip(), 5.0))
    )
    assert float(held.scores["cosine"]) < float(free.scores["cosine"])
    with pytest.raises(ValueError, match=r"parts\.identity"):
        StyleclipOptimization(gan, clip(), identity_weight=1.0)


def test_relevance_says_how_an_embedding_moves_with_a_channel() -> None:
    gan = stylegan()
    relevance = measure(gan, clip(), samples=4)
    widths = [
        each.shape[1]
        for each, adds in zip(gan.style_channels(gan.styles(torch.zeros(1, 8))), gan.adds_to_image, strict=True)
        if not adds
    ]
    assert relevance.directions.shape == (sum(widths), 4)
    torch.testing.assert_close(relevance.directions.norm(dim=1), torch.ones(sum(widths)))
    assert (relevance.deviations > 0).all()


def test_directions_move_what_is_relevant_alone() -> None:
    relevance = Relevance(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]]), torch.tensor([1.0, 2, 3, 4]))
    direction = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(along(relevance, direction, 5.0, 0.0), 5 * torch.tensor([1.0, 1.2, 0.0, -3.2]))
    torch.testing.assert_close(along(relevance, direction, 5.0, 0.7), 5 * torch.tensor([1.0, 0.0, 0.0, -3.2]))
    # From the prompt to the source is the other way.
    torch.testing.assert_close(along(relevance, -direction, 5.0, 0.0), -along(relevance, direction, 5.0, 0.0))
    with pytest.raises(UserError, match="lower it"):
        along(Relevance(relevance.directions[1:2] * 0.1, relevance.deviations[:1]), direction, 5.0, 0.5)


def test_channels_are_moved_along_a_text_direction(tmp_path: Any) -> None:
    gan = stylegan()
    settings: dict[str, Any] = {"source": "grey", "samples": 4, "threshold": 0.0, "directions_in": str(tmp_path)}

    def made(**more: Any) -> StyleclipDirections:
        editor = StyleclipDirections(gan, clip(), **settings | more)
        editor.weights = "weights"
        return editor

    result = edited(made(), 2)
    assert (result.scores["cosine"] > result.scores["cosine_before"]).all()
    (kept,) = tmp_path.iterdir()
    assert kept.name == "weights_0123_4.safetensors"
    # What was measured is read, and gives the same.
    before = kept.stat().st_mtime_ns
    assert torch.equal(edited(made(), 2).pictures, result.pictures)
    assert kept.stat().st_mtime_ns == before
    still = edited(made(strength=0.0), 2)
    assert torch.equal(still.pictures[..., :16], still.pictures[..., 16:])
    with pytest.raises(UserError, match=r"is editor\.source"):
        edited(made(), 1, ["grey"])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (VqganClip, {"steps": 0}),
        (VqganClip, {"lr": 0}),
        (VqganClip, {"pictures": 1}),
        (VqganClip, {"image_weight": 0}),
        (VqganClip, {"cutouts": 0}),
        (ClipGuidedDiffusion, {"begin": 0}),
        (ClipGuidedDiffusion, {"scale": -1}),
        (StyleclipOptimization, {"l2": -1}),
        (StyleclipOptimization, {"lr": 0}),
        (StyleclipDirections, {"threshold": 1}),
        (StyleclipDirections, {"samples": 0}),
    ],
)
def test_what_is_refused(kind: Any, settings: dict[str, Any]) -> None:
    model: Any = {VqganClip: Levels, ClipGuidedDiffusion: denoiser}.get(kind, stylegan)()
    with pytest.raises(ValueError, match=next(iter(settings))):
        kind(model, clip(), **settings)
