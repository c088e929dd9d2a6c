"""StyleCLIP's second way: a network that leads the styles of any image to one text (Patashnik et al. 2021, section 5).

https://arxiv.org/abs/2103.17249. Styles w of random latents of a frozen generator G are moved to w' = w + s M(w), where
a mapper M is trained by

    L = 1 - cos(I(G(w')), T) + l2 |M(w)|^2 + id (1 - cos(F(G(w')), F(G(w))))

with a CLIP's embeddings I of images and T of the text, and F those of a network that knows who somebody is. An edit
then takes one call. A run is of one text.

Example:
    python -m genbench experiment=styleclip_mapper_scenes parts.generator=RUN parts.embedder=RUN method.prompt="..."
    python -m genbench edit editor=styleclip_mapper run=RUN
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsImages, EmbedsTexts, PerceivesStyled
from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.errors import UserError
from genbench.medium import Medium
from genbench.methods.base import GenerativeMethod
from genbench.methods.encoding_once import check_shape
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.style_mapper import Level, StyleMapper
from genbench.parts import Frozen
from genbench.randomness import Noise
from genbench.text_losses import cosine_distance


class StyleCLIPMapper(GenerativeMethod):
    """Learn how styles move to a text. Its samples are images of random latents, changed.

    Args:
        medium: what a sample is; only to check that the generator draws such.
        condition: of the data.
        generator: draws images of styles.
        embedder: a CLIP, which embeds images and the text.
        identity: what embeds images so that the same person, or thing, has the same embedding; None for none.
        prompt: the text; without one nothing is trained.
        strength: s.
        levels: of styles that are moved: "coarse", "medium", "fine".
        l2: of the mean squared movement.
        identity_weight: id; takes parts.identity.
        optimizer: maps parameters to an optimizer.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, the generator draws other images than the data has, or the CLIP does
            not know the text.
    """

    def __init__(
        self,
        medium: Medium,
        condition: Condition | None = None,
        *,
        generator: Frozen[PerceivesStyled],
        embedder: Frozen[EmbedsTexts],
        identity: Frozen[EmbedsImages] | None = None,
        prompt: str = "",
        strength: float = 0.1,
        levels: Sequence[Level] = ("coarse", "medium", "fine"),
        l2: float = 0.8,
        identity_weight: float = 0.0,
        optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        check_shape("generator", generator.medium, medium)
        if min(l2, identity_weight) < 0 or strength <= 0:
            raise ValueError(
                f"l2={l2} and identity_weight={identity_weight} must be at least 0, strength={strength} above"
            )
        if (identity is None) == bool(identity_weight):
            raise ValueError("identity_weight above 0 and parts.identity=RUN go together")
        self.generator = generator
        self.embedder = embedder
        self.identity = identity
        self.medium = generator.medium
        self.condition = generator.condition
        if self.condition is not None and (condition is None or condition.to_dict() != self.condition.to_dict()):
            raise ValueError("parts.generator is conditioned on classes or attributes that the data does not have")
        self.latent_dim = generator.latent_dim
        self.strength = strength
        self.l2 = l2
        self.identity_weight = identity_weight
        self.prompt = prompt
        # Read now: a word that the CLIP does not know is said before anything starts.
        self.register_buffer("rows", embedder.condition.parse(prompt), persistent=False)
        self.rows: Tensor
        self.mapper = StyleMapper(generator.style_dim, tuple(levels))
        self.average = self.averaged(self.mapper)
        self.optimise("mapper", self.mapper, optimizer, average=self.average)

    def on_fit_start(self) -> None:
        """Refuse to train for no text.

        Raises:
            UserError: there is none.
        """
        super().on_fit_start()
        if not self.prompt.strip():
            raise UserError("method.prompt=TEXT says what images are led to, and there is none")

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the mapper and its average; of a batch only its size and its condition matter."""
        self.take_step("mapper", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the mean loss of fresh latents, as many as the batch has, and its terms."""
        z = torch.randn(len(batch.x), self.latent_dim, device=self.device)
        w = self.generator.styles(z, self.condition_of(batch))
        movement = self.mapper(w)
        images = self.generator.synthesise(w + self.strength * movement)
        with torch.no_grad():
            target = normalize(self.embedder.embed_texts(self.rows).float(), dim=1)
        clip = cosine_distance(self.embedder.embed_images(images).float(), target).mean()
        moved = movement.square().mean()
        loss = clip + self.l2 * moved
        figures = {"loss/clip": clip, "loss/l2": moved}
        if self.identity is not None:
            with torch.no_grad():
                before = self.identity.embed_images(self.generator.synthesise(w)).float()
            changed = cosine_distance(self.identity.embed_images(images).float(), before).mean()
            loss = loss + self.identity_weight * changed
            figures["loss/identity"] = changed
        return loss, figures

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) of random latents, moved by the averaged mapper.

        Raises:
            ValueError: the condition is missing, given to an unconditional generator, or invalid.
        """
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    @torch.no_grad()
    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return images (B, C, H, W) of latents (B, latent_dim), moved by the averaged mapper.

        Raises:
            ValueError: the condition is missing, given to an unconditional generator, or invalid.
        """
        w = self.generator.styles(z, self.check_condition(condition, len(z)))
        return self.generator.synthesise(self.lead(w)).clamp(-1, 1)

    @torch.no_grad()
    def lead(self, w: Tensor, strength: float | None = None) -> Tensor:
        """Return styles (B, layers, style_dim) moved to the text, by the averaged mapper."""
        mapper = cast(StyleMapper, self.average.module)
        return w + (self.strength if strength is None else strength) * mapper(w)
