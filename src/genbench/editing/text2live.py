"""Text2LIVE: a layer over an image, drawn by a network that learns from this image alone (Bar-Tal et al. 2022).

https://arxiv.org/abs/2204.02491. A generator maps the image x to colours e and an opacity a, which are laid over it,

    y = (1 - a) x + a e,    y_green = (1 - a) green + a e,

and is trained, for each image anew, by a CLIP's embeddings I of random views and T of texts:

    d(I(y), T_comp) + 1 - cos(I(y) - I(x), T_comp - T_source)      composition (equation 1)
      + lambda_screen d(I(y_green), T_screen)                      the layer alone
      + lambda_structure |S(y) - S(x)|^2                           S: cosines between all places of a late layer
      + lambda_sparsity (mean(a) + mean(2 sigmoid(5 a) - 1))       few and nearly opaque or clear pixels
      + lambda_region |a - R(x, T_region)|^2                       at first: where the CLIP sees what is to be changed

d is half of the squared angle, R the CLIP's relevance. The authors' optimizer, MADGRAD, is Adam here.

Example:
    python -m genbench edit editor=text2live run=CLIP images=DIR prompt="a red three on blue" editor.region="a three"
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from genbench.abilities import EmbedsTexts, SeesPlaces
from genbench.cutouts import Cutouts
from genbench.editing.base import Beside, Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness, embed_filled, generator_of, seen
from genbench.errors import UserError
from genbench.medium import Images
from genbench.parts import Frozen
from genbench.randomness import CHUNK, Noise
from genbench.text.templates import check_templates
from genbench.text_losses import directional_distance, spherical_distance

_GREEN = (0.0, 177 / 255, 64 / 255)
"""The screen's colour, in [0, 1]."""

_WHOLE_EVERY = 75
"""Steps from one that sees the whole image to the next; others see a crop."""

_SPARSITY = 0.01
"""Of each term of the sparsity, which the authors' weight multiplies."""

_DECAY, _LEAST_LR = 0.99, 1e-5
"""Of the learning rate in each step, and its least value."""


class Layer(NamedTuple):
    """What is laid over images.

    Attributes:
        colours: (B, 3, H, W) in [-1, 1].
        opacity: (B, 1, H, W) in [0, 1].
    """

    colours: Tensor
    opacity: Tensor

    def over(self, images: Tensor) -> Tensor:
        """Return images (B, 3, H, W) in [-1, 1] with the layer over them."""
        return (1 - self.opacity) * images + self.opacity * self.colours

    def on_green(self) -> Tensor:
        """Return the layer over the screen."""
        green = 2 * torch.tensor(_GREEN).to(self.colours) - 1
        return self.over(green[:, None, None].expand_as(self.colours))


class _Texts(NamedTuple):
    """The embeddings of the texts of an edit: (K, D) of K templates each, or None."""

    composition: Tensor
    screen: Tensor
    source: Tensor | None
    region: Tensor | None


class Text2Live(Editor):
    """Lay a layer over images; beside each result are the layer on green and its opacity.

    Args:
        method: a CLIP, which embeds images and texts, and says what it sees where.
        scorer: another CLIP, which does not lead, to say how near the result comes; None for none.
        network: builds a generator from the channels of images and of its result, in [0, 1], and the side.
        screen: what the layer shows by itself; "" for the prompt.
        source: what the image shows now, for the direction of the change; "" for no direction.
        region: what is to be changed, to begin with; "" for anything.
        templates: texts with {} for prompt and source, of which a few are drawn at each step.
        screen_templates: for the screen's text.
        together: whether all images are frames of one clip, with one generator.
        steps: of Adam.
        lr: its learning rate at first, which falls by a hundredth in each step.
        views: random views of a picture in each step.
        least: side of the smallest crop that is drawn on, as a fraction of the image's.
        flip: whether half of what is drawn on is mirrored.
        composition_weight: of both terms of the composition.
        screen_weight: lambda_screen.
        structure_weight: lambda_structure.
        sparsity_weight: lambda_sparsity, in hundredths.
        region_weight: lambda_region at first, which falls to zero ...
        region_steps: ... in so many steps.

    Raises:
        ValueError: an argument is out of range.
        UserError: the CLIP does not know a text.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"text", "images"})

    def __init__(
        self,
        method: SeesPlaces,
        scorer: Frozen[EmbedsTexts] | None = None,
        *,
        network: Callable[[int, int, int], nn.Module],
        screen: str = "",
        source: str = "",
        region: str = "",
        templates: Sequence[str] = ("{}",),
        screen_templates: Sequence[str] = ("{}",),
        together: bool = False,
        steps: int = 1000,
        lr: float = 2.5e-3,
        views: int = 16,
        least: float = 0.85,
        flip: bool = True,
        composition_weight: float = 1.0,
        screen_weight: float = 1.0,
        structure_weight: float = 2.0,
        sparsity_weight: float = 6.0,
        region_weight: float = 10.0,
        region_steps: int = 1000,
    ) -> None:
        for name, value, low in (
            ("steps", steps, 1),
            ("composition_weight", composition_weight, 0),
            ("screen_weight", screen_weight, 0),
            ("structure_weight", structure_weight, 0),
            ("sparsity_weight", sparsity_weight, 0),
            ("region_weight", region_weight, 0),
            ("region_steps", region_steps, 1),
        ):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, not {value}")
        if lr <= 0 or not 0 < least <= 1:
            raise ValueError(f"lr={lr} must be positive, and least={least} in (0, 1]")
        if not isinstance(method.medium, Images):
            raise ValueError("it changes images, and the method embeds none")
        self.method = method
        self.screen, self.source, self.region = screen, source, region
        self.templates = check_templates(templates)
        self.screen_templates = check_templates(screen_templates)
        self.steps = steps
        self.lr = lr
        self.crops = Cutouts(1, least, noise=0.0)
        self.views = Cutouts(views, 0.6, distortion=1.0, noise=0.0)
        self.flip = flip
        self.network = network
        self.composition_weight = composition_weight
        self.screen_weight = screen_weight
        self.structure_weight = structure_weight
        self.sparsity_weight = sparsity_weight
        self.region_weight = region_weight
        self.region_steps = region_steps
        self.medium = Images((3, *method.medium.shape[1:]))
        # A generator is of one image, or of all frames of a clip.
        self.chunk = CHUNK if together else 1
        self.nearness = Nearness(method, scorer, method.device)
        self.scores = self.nearness.scores | {"opacity": "mean opacity of the layer, in [0, 1]"}

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the images with their layers.

        Raises:
            UserError: the CLIP does not know a text, or the frames of a clip have different prompts.
        """
        assert inputs.images is not None
        assert inputs.texts is not None
        if len({*inputs.texts}) > 1:
            raise UserError("the frames of a clip have one generator, and so one prompt: give prompt=TEXT")
        texts = self._texts(inputs.texts[0])
        images = inputs.images.to(self.method.device).expand(-1, 3, -1, -1)
        generator = generator_of(noise)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            network = self.network(3, 4, min(images.shape[2:])).to(images)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = max(_LEAST_LR, self.lr * _DECAY**step)
            x = self._drawn_on(images, step, generator)
            optimizer.zero_grad()
            self.loss(x, layer_of(network, x), texts, step, generator).backward()
            optimizer.step()
        with torch.no_grad():
            layer = layer_of(network, images)
        return self._result(images, layer, inputs.texts)

    def loss(self, x: Tensor, layer: Layer, texts: _Texts, step: int, generator: torch.Generator) -> Tensor:
        """Return the loss of a layer over images x (B, 3, H, W), the mean over them."""
        y = layer.over(x)
        loss = x.new_zeros(())
        if self.composition_weight:
            loss = loss + self.composition_weight * self._composition(x, y, texts, generator)
        if self.screen_weight:
            views = seen(self.method, layer.on_green(), self.views, generator)
            loss = loss + self.screen_weight * _mean_distance(views, _some(texts.screen, generator))
        if self.structure_weight:
            loss = loss + self.structure_weight * structure(self.method.places(y), self.method.places(x))
        if self.sparsity_weight:
            loss = loss + self.sparsity_weight * _SPARSITY * sparsity(layer.opacity)
        left = 1 - step / self.region_steps
        if texts.region is not None and self.region_weight and left > 0:
            relevance = self.method.relevance(x, texts.region.expand(len(x), -1))[:, None]
            wanted = interpolate(relevance, x.shape[2:], mode="bilinear")
            loss = loss + left * self.region_weight * (layer.opacity - wanted).square().mean()
        return loss

    def _composition(self, x: Tensor, y: Tensor, texts: _Texts, generator: torch.Generator) -> Tensor:
        views = seen(self.method, y, self.views, generator)
        loss = _mean_distance(views, _some(texts.composition, generator))
        if texts.source is None:
            return loss
        chosen = torch.randperm(len(texts.source), generator=generator)[: int(_count(texts.source, generator))]
        with torch.no_grad():
            before = seen(self.method, x, self.views, generator)
        directions = [
            directional_distance(views, before, texts.composition[number], texts.source[number]).mean()
            for number in chosen.tolist()
        ]
        return loss + torch.stack(directions).mean()

    def _drawn_on(self, images: Tensor, step: int, generator: torch.Generator) -> Tensor:
        """Return the part of an image, or of a frame, that is drawn on in a step: a crop, at times all of it."""
        frame = int(torch.randint(len(images), (), generator=generator))
        x = images[frame : frame + 1]
        if step % _WHOLE_EVERY == 0:
            return x
        x = self.crops(x, generator)[:, 0]
        return x.flip(3) if self.flip and float(torch.rand((), generator=generator)) < 0.5 else x

    def _texts(self, prompt: str) -> _Texts:
        """Return the embeddings of all texts.

        Raises:
            UserError: the CLIP does not know one.
        """
        return _Texts(
            self._embedded("prompt", prompt, self.templates),
            self._embedded("editor.screen", self.screen or prompt, self.screen_templates),
            self._embedded("editor.source", self.source, self.templates) if self.source else None,
            self._embedded("editor.region", self.region, ["{}"]) if self.region else None,
        )

    def _embedded(self, key: str, name: str, templates: Sequence[str]) -> Tensor:
        return embed_filled(self.method, name, templates, self.method.device, f"{key}={name}")

    def _result(self, images: Tensor, layer: Layer, texts: Sequence[str]) -> EditResult:
        composite = layer.over(images).clamp(-1, 1)
        views = [layer.on_green(), (2 * layer.opacity - 1).expand_as(composite)]
        stored = [self.medium.store(each.cpu()) for each in views]
        beside = Beside([torch.stack(rows) for rows in zip(*stored, strict=True)], [["layer", "opacity"]] * len(images))
        scores = self.nearness.of(composite, texts) | {"opacity": layer.opacity.flatten(1).mean(1).cpu()}
        return EditResult(self.medium.store(composite.cpu()), scores=scores, beside=beside)


def layer_of(network: nn.Module, x: Tensor) -> Layer:
    """Return the layer that a generator draws on images x (B, 3, H, W) in [-1, 1]."""
    colours, opacity = network(x).split([3, 1], dim=1)
    return Layer(2 * colours - 1, opacity)


def structure(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference of the cosines between all places of two images, of vectors (B, L, W)."""
    cosines = [normalize(each.float(), dim=2) @ normalize(each.float(), dim=2).transpose(1, 2) for each in (one, other)]
    return (cosines[0] - cosines[1]).square().mean()


def sparsity(opacity: Tensor) -> Tensor:
    """Return the mean opacity and, nearly, the fraction of what is not clear: mean(a) + mean(2 sigmoid(5 a) - 1)."""
    return opacity.mean() + (2 * (5 * opacity).sigmoid() - 1).mean()


def _mean_distance(views: Tensor, texts: Tensor) -> Tensor:
    """Return the mean spherical distance of views (B, N, D) to texts (K, D)."""
    return spherical_distance(views[:, :, None], texts).mean()


def _count(texts: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(1, len(texts) + 1, (), generator=generator)


def _some(texts: Tensor, generator: torch.Generator) -> Tensor:
    """Return some of the embeddings (K, D) of a text's templates, drawn anew in each step."""
    return texts[torch.randint(len(texts), (int(_count(texts, generator)),), generator=generator)]
