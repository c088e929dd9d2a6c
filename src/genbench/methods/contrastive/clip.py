"""CLIP: images and texts embedded in one space (Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3).

    L = (CE(s I T', y) + CE(s T I', y)) / 2,    s = exp(log-scale) <= 100

with the embeddings I and T of N pairs, each divided by its norm, and y the text or image that each belongs to. It draws
nothing: it predicts labels from their names, scores what others draw, and is a part of others.

Example:
    python -m genbench experiment=clip_scenes
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.distributed import is_distributed
from genbench.medium import Images, Medium
from genbench.methods.base import Method
from genbench.methods.contrastive.images import Preprocessing
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.clip_text import TextTransformer

Positives = Literal["diagonal", "same_caption"]
Figures = dict[str, Tensor]

FIRST_SCALE, LARGEST_SCALE = 1 / 0.07, 100.0
"""The scale of the cosines at first and at most (section 2.5)."""


class Towers(nn.Module):
    """The image tower, the text tower, and the learnt logarithm of the scale.

    Args:
        image: maps images (B, 3, side, side), and their times if they are noisy, to (B, D).
        text: maps token sequences (B, L) to (B, D).
    """

    def __init__(self, image: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def forward(self, x: Tensor, rows: Tensor, *times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the normalised embeddings (B, D) of images and of texts, and the scale s."""
        images, texts = (normalize(each.float(), dim=1) for each in (self.image(x, *times), self.text(rows)))
        return images, texts, self.log_scale.exp()

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the scale from growing beyond 100, where training gets unstable."""
        self.log_scale.clamp_(max=math.log(LARGEST_SCALE))


class CLIP(Method):
    """Contrast each image with the texts of a batch, and each text with its images.

    Args:
        image_tower: builds the image tower from `side`, in pixels.
        text_tower: builds the text tower from `form`, that of the token sequences.
        medium: what a sample is; square images.
        condition: of the data, which must be captions.
        positives: the pairs that belong together: "diagonal", as in the paper, or "same_caption", all of the batch
            whose text is the same, which are false negatives else.
        image_size: side in pixels of the images that the tower takes, to which others are resized; None for the data's.
        mean: of each colour, which is subtracted; of values in [0, 1].
        std: of each colour, by which they are divided.
        optimizer: maps parameters to an optimizer.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or the data has no captions or no square images.
    """

    def __init__(
        self,
        image_tower: Callable[..., Any],
        text_tower: Callable[..., TextTransformer],
        medium: Medium,
        condition: Condition | None = None,
        *,
        positives: Positives = "diagonal",
        image_size: int | None = None,
        mean: Sequence[float],
        std: Sequence[float],
        optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        expect_choice("positives", positives, Positives)
        if not isinstance(medium, Images) or medium.shape[1] != medium.shape[2]:
            raise ValueError("CLIP takes data with square images, such as data=scenes")
        self.condition = expect(condition, Captions, "CLIP takes data with captions, such as data=scenes")
        self.medium = medium
        self.positives = positives
        side = medium.shape[1] if image_size is None else image_size
        if side < 1:
            raise ValueError(f"image_size={side} must be at least 1 pixel")
        image, text = image_tower(side=side), text_tower(form=self.condition.form)
        if image.embedding_dim != text.embedding_dim:
            raise ValueError(
                f"embeddings of images have {image.embedding_dim} numbers, and those of texts {text.embedding_dim}"
            )
        self.embedding_dim: int = image.embedding_dim
        self.preprocess = Preprocessing(side, mean, std)
        self.towers = Towers(image, text)
        self.average = self.averaged(self.towers)
        self.optimise("towers", self.towers, optimizer, average=self.average, loss="contrastive")

    def accumulate(self, parts: int) -> None:
        """Refuse to divide a batch.

        Raises:
            ValueError: it would be.
        """
        if parts > 1:
            raise ValueError(
                "CLIP contrasts each pair with all others of its batch, and parts have fewer: set data.batch_size=N"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the towers and their average."""
        self.take_step("towers", self.loss, batch)
        for towers in (self.towers, self._averaged):
            towers.clamp_scale()
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the loss of a batch, the accuracy in both directions, and the scale.

        Of several processes each has the loss of its own pairs against those of all; their mean is the loss of the
        joined batch, and so is the mean of the gradients, as the embeddings are joined with theirs.
        """
        x, rows = batch.pair()
        images, texts, scale = self.towers(self.preprocess(x), rows)
        loss, figures, _ = self.contrast(images, texts, scale, rows)
        return loss, figures

    def contrast(self, images: Tensor, texts: Tensor, scale: Tensor, rows: Tensor) -> tuple[Tensor, Figures, Tensor]:
        """Return the loss of normalised embeddings, its figures, and whose image is nearest to its text, (B,).

        Args:
            images: embeddings of this process's images, (B, D).
            texts: embeddings of their texts, (B, D).
            scale: s.
            rows: the texts, (B, L).
        """
        all_images, all_texts = joined(torch.cat([images, texts], dim=1)).chunk(2, dim=1)
        matches = self._matches(rows)
        # Logits reach 100, for which half precision is too coarse.
        with torch.autocast(images.device.type, enabled=False):
            of_images = scale * images @ all_texts.T
            of_texts = scale * texts @ all_images.T
            loss = contrastive_loss(of_images, of_texts, matches)
        right = hits(of_images, matches)
        figures = {
            "loss/image_accuracy": right.mean(),
            "loss/text_accuracy": accuracy(of_texts, matches),
            "loss/logit_scale": scale,
        }
        return loss, figures, right

    def _matches(self, rows: Tensor) -> Tensor:
        """Return which of the N pairs of all processes each of B belongs to, bool (B, N)."""
        every, first = joined(rows), _rank() * len(rows)
        if self.positives == "diagonal":
            names = torch.arange(len(every), device=rows.device)
        else:
            names = every.unique(dim=0, return_inverse=True)[1]
        return names[first : first + len(rows), None] == names

    @property
    def logit_scale(self) -> float:
        """The factor of cosines in logits, of the averaged weights."""
        return float(self._averaged.log_scale.exp())

    def embed_images(self, x: Tensor) -> Tensor:
        """Return embeddings (B, D) of images (B, 1 or 3, H, W) in [-1, 1], of any size, from the averaged weights."""
        embedded: Tensor = self._averaged.image(self.preprocess(x))
        return embedded

    def embed_texts(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, D) of token sequences (B, L), from the averaged weights."""
        embedded: Tensor = self._averaged.text(rows)
        return embedded

    def places(self, x: Tensor) -> Tensor:
        """Return vectors (B, L, W) of places of images, as `embed_images` sees them, see `SeesPlaces`."""
        tower: Any = self._averaged.image
        places: Tensor = tower.places(self.preprocess(x))
        return places

    def relevance(self, x: Tensor, texts: Tensor) -> Tensor:
        """Return how relevant places of images are for texts (B, D), float32 (B, H', W'), see `SeesPlaces`."""
        wanted = normalize(texts.float(), dim=1)

        def cosine(embedded: Tensor) -> Tensor:
            return (wanted * normalize(embedded.float(), dim=1)).sum(1)

        tower: Any = self._averaged.image
        relevance: Tensor = tower.relevance(self.preprocess(x), cosine).float()
        low, high = (each(relevance.flatten(1), 1)[:, None, None] for each in (torch.amin, torch.amax))
        # Where nothing stands out, nothing is relevant.
        return (relevance - low) / (high - low).clamp_min(1e-12)

    @property
    def state_width(self) -> int:
        """Numbers of the state of a token."""
        return self._text.width

    def encode_tokens(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings (B, D) of token sequences (B, L) and the states (B, L, W) of their tokens."""
        states = self._text.states(rows)
        return self._text.at_end(states, self.condition.form.last(rows)), states

    @property
    def _text(self) -> TextTransformer:
        return cast(TextTransformer, self._averaged.text)

    @property
    def _averaged(self) -> Towers:
        return cast(Towers, self.average.module)


def contrastive_loss(of_images: Tensor, of_texts: Tensor, matches: Tensor) -> Tensor:
    """Return the symmetric cross entropy of B pairs against N, B of them their own.

    Args:
        of_images: logits (B, N) of images for texts.
        of_texts: logits (B, N) of texts for images.
        matches: which of the N each belongs to, bool (B, N), at least one; where several, all are equally right.
    """
    targets = matches / matches.sum(1, keepdim=True)
    return (cross_entropy(of_images, targets) + cross_entropy(of_texts, targets)) / 2


def hits(logits: Tensor, matches: Tensor) -> Tensor:
    """Return 1 for each row (B, N) whose largest logit is at a match, and 0 for others, float32 (B,)."""
    return matches.gather(1, logits.argmax(1, keepdim=True)).float()[:, 0]


def accuracy(logits: Tensor, matches: Tensor) -> Tensor:
    """Return the fraction of rows (B, N) whose largest logit is at a match."""
    return hits(logits, matches).mean()


def joined(rows: Tensor) -> Tensor:
    """Return the rows (B, ...) of all processes, (N, ...), in their order; gradients go back to where they came from.

    The gradient of a row is the sum of those that all processes have of it.
    """
    if not is_distributed():
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows))


def _rank() -> int:
    return torch.distributed.get_rank() if is_distributed() else 0
