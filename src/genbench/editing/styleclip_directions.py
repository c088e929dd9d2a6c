"""StyleCLIP's third way: global directions in the space of channels (Patashnik et al. 2021, section 6).

https://arxiv.org/abs/2103.17249. Once for a generator and a CLIP it is measured how the embedding of an image moves
when one channel c is set to its mean minus and plus five deviations,

    R_c = mean over images of (I(G(s, s_c = mu_c + 5 sigma_c)) - I(G(s, s_c = mu_c - 5 sigma_c))), divided by its norm

with differences divided by their norms, too. Of a text direction t = T(prompt) - T(source), of length 1, the channels
with |R_c t| >= threshold are moved, as far as they are relevant,

    s' = s + strength sigma_c (R_c t) / max_c |R_c t|

and all images by the same.

Example:
    python -m genbench edit editor=styleclip_directions run=STYLEGAN clip=CLIP prompt="a seven" editor.source="a one"
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsTexts, HasStyleSpace
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness, embed_filled
from genbench.editing.strips import strip_medium
from genbench.editing.styled import before_and_after, scores_of, styles_of
from genbench.errors import UserError
from genbench.files import written_whole
from genbench.parts import Frozen, hash_of
from genbench.randomness import Noise
from genbench.text.templates import check_templates

_REACH = 5.0
"""Deviations from its mean to which a channel is set when it is measured."""

_LATENTS = 1024
"""Of which means and deviations of channels are taken."""

_SEED = 0
"""Of the images by which channels are measured: of all edits the same."""


class Relevance(NamedTuple):
    """What is measured of the channels of a generator, those that add to the image left out.

    Attributes:
        directions: R, of length 1 each, (C, D).
        deviations: sigma, (C,).
    """

    directions: Tensor
    deviations: Tensor


class StyleclipDirections(Editor):
    """Move channels along a text direction; a result is the strip of the image before and after.

    Args:
        method: draws images of its layers' channels.
        clip: what embeds images and prompts.
        scorer: another CLIP, to say how near the image comes; None for none.
        source: what images show now, or a neutral text.
        templates: texts with {} for prompt and source, whose embeddings are averaged.
        strength: alpha of the paper, how far, in deviations of the most relevant channel; below 0 away from the prompt.
        threshold: beta of the paper, relevance below which a channel stays: high for few channels, that are only about
            the text.
        samples: images by which each channel is measured.
        directions_in: folder in which measurements are kept; None to measure for each command.
        search_steps: of the search for the styles of images that are given.
        pictures: of a strip from 0 to the whole strength, both ends included; at least 2.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"text", "asked images", "condition"})

    def __init__(
        self,
        method: HasStyleSpace,
        clip: Frozen[EmbedsTexts],
        scorer: Frozen[EmbedsTexts] | None = None,
        *,
        source: str = "",
        templates: Sequence[str] = ("{}",),
        strength: float = 5.0,
        threshold: float = 0.1,
        samples: int = 32,
        directions_in: str | None = "data/directions",
        search_steps: int = 300,
        pictures: int = 5,
    ) -> None:
        for name, value, least in (
            ("samples", samples, 1),
            ("search_steps", search_steps, 1),
            ("pictures", pictures, 2),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold must be in [0, 1), not {threshold}")
        self.method = method
        self.clip = clip
        self.source = source
        self.templates = check_templates(templates)
        self.strength = strength
        self.threshold = threshold
        self.samples = samples
        self.directions_in = directions_in
        self.search_steps = search_steps
        self.pictures = pictures
        self.medium = strip_medium(method.medium, 2)
        self.nearness = Nearness(clip, scorer, method.device)
        self.scores = scores_of(self.nearness) | {"channels": "how many channels are moved"}
        self._relevance: Relevance | None = None

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips.

        Raises:
            UserError: the CLIP does not know a prompt, it is the source, or no channel is as relevant as the threshold.
        """
        assert inputs.texts is not None
        w = styles_of(self.method, inputs, self.search_steps, noise=noise)
        with torch.no_grad():
            channels = self.method.style_channels(w)
            moves = torch.stack([self.move(text) for text in inputs.texts])
            parts = self._split(moves, channels)
            frames = [
                self.method.synthesise_channels([own + t * part for own, part in zip(channels, parts, strict=True)])
                for t in torch.linspace(0, 1, self.pictures).tolist()
            ]
        moved = moves.square().sum(1)
        result = before_and_after(self.method.medium, frames, inputs.texts, self.nearness, moved)
        return EditResult(
            result.pictures, result.intermediate, {**result.scores, "channels": (moves != 0).sum(1).float().cpu()}
        )

    def move(self, text: str) -> Tensor:
        """Return what is added to each of the channels (C,) to lead images to a text.

        Raises:
            UserError: the CLIP does not know the text, it is the source, or no channel is as relevant as the threshold.
        """
        relevance = self.relevance()
        difference = self._embedded(text) - self._embedded(self.source)
        if difference.norm() < 1e-6:
            raise UserError(f"prompt={text} is editor.source: there is no direction from one to the other")
        return along(relevance, normalize(difference, dim=0), self.strength, self.threshold)

    def relevance(self) -> Relevance:
        """Return what is measured of the channels, measured now or by an earlier command."""
        if self._relevance is None:
            path = self._file()
            if path is not None and path.is_file():
                kept = load_file(path)
                found = Relevance(kept["directions"], kept["deviations"])
            else:
                found = measure(self.method, self.clip, self.samples)
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with written_whole(path, shared=True) as new:
                        save_file({name: value.cpu().contiguous() for name, value in found._asdict().items()}, new)
            self._relevance = Relevance(*(each.to(self.method.device) for each in found))
        return self._relevance

    def _file(self) -> Path | None:
        clip = hash_of(self.clip)
        if self.directions_in is None or self.weights is None or clip is None:
            return None
        return Path(self.directions_in) / f"{self.weights}_{clip}_{self.samples}.safetensors"

    def _embedded(self, name: str) -> Tensor:
        """Return the mean embedding (D,) of a text in all templates, of length 1.

        Raises:
            UserError: the CLIP does not know it.
        """
        embedded = embed_filled(self.clip, name, self.templates, self.method.device, "prompt or editor.source")
        return normalize(embedded.mean(0), dim=0)

    def _split(self, moves: Tensor, channels: Sequence[Tensor]) -> list[Tensor]:
        """Return moves (B, C) for each layer, (B, C_l), 0 of those that add to the image."""
        widths = [each.shape[1] for each in channels]
        left_out = self.method.adds_to_image
        kept = iter(moves.split([width for width, last in zip(widths, left_out, strict=True) if not last], dim=1))
        return [torch.zeros_like(own) if last else next(kept) for own, last in zip(channels, left_out, strict=True)]


def along(relevance: Relevance, direction: Tensor, strength: float, threshold: float) -> Tensor:
    """Return what is added to each of the channels (C,) along a text direction (D,) of length 1.

    Raises:
        UserError: no channel is as relevant as the threshold.
    """
    along_text = relevance.directions @ direction
    most = along_text.abs().max()
    if most < threshold or most == 0:
        raise UserError(
            f"editor.threshold={threshold:g} is above all channels' relevance, at most {float(most):.3g}: lower it"
        )
    chosen = torch.where(along_text.abs() >= threshold, along_text, torch.zeros_like(along_text))
    return strength * relevance.deviations * chosen / most


@torch.no_grad()
def measure(method: HasStyleSpace, clip: EmbedsTexts, samples: int) -> Relevance:
    """Return how an image's embedding moves with each channel, of random images without a condition."""
    noise = Noise(_SEED)
    z = noise.normal(_LATENTS, method.latent_dim).to(method.device)
    condition = None if method.condition is None else _all_kinds(method, _LATENTS)
    channels = method.style_channels(method.styles(z, condition))
    few = [each[:samples] for each in channels]
    directions, deviations = [], []
    for layer, adds in enumerate(method.adds_to_image):
        if adds:
            continue
        means, spreads = channels[layer].mean(0), channels[layer].std(0)
        for number in range(len(means)):
            ends = []
            for sign in (-1, 1):
                changed = [*few]
                changed[layer] = few[layer].clone()
                changed[layer][:, number] = means[number] + sign * _REACH * spreads[number]
                images = method.synthesise_channels(changed).clamp(-1, 1)
                ends.append(normalize(clip.embed_images(images).float(), dim=1))
            directions.append(normalize(normalize(ends[1] - ends[0], dim=1).mean(0), dim=0))
        deviations.append(spreads)
    return Relevance(torch.stack(directions), torch.cat(deviations))


def _all_kinds(method: HasStyleSpace, count: int) -> Tensor:
    """Return rows of the method's condition, all in turn.

    Raises:
        UserError: it has too many to name.
    """
    assert method.condition is not None
    examples = method.condition.examples(count)
    if examples is None:
        raise UserError("channels are measured of generators without a condition, or of one whose values can be listed")
    rows: Tensor = examples[torch.arange(count) % len(examples)]
    return rows.to(method.device)
