"""Zero-shot prediction by a model that embeds images and texts in one space (Radford et al. 2021, section 3.1).

A class is described by texts; an image belongs to the class whose texts are nearest. `classify`, `evaluate` and editors
compare by these functions. https://arxiv.org/abs/2103.00020
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsTexts
from genbench.text.templates import fill

_BATCH = 64


@torch.no_grad()
def embed_texts(model: EmbedsTexts, texts: Sequence[str]) -> Tensor:
    """Return the normalised features (N, D), float32 on the CPU, of texts.

    Raises:
        ValueError: a text has a word that the model's vocabulary lacks, or is too long for it; the message names it.
    """
    return embed_rows(model, torch.cat([model.condition.parse(text) for text in texts]))


@torch.no_grad()
def embed_rows(model: EmbedsTexts, rows: Tensor) -> Tensor:
    """Return the normalised features (N, D), float32 on the CPU, of token sequences (N, L) of the model's condition."""
    return torch.cat([_unit(model.embed_texts(_beside(model, part))) for part in rows.split(_BATCH)])


@torch.no_grad()
def embed_images(model: EmbedsTexts, parts: Iterable[Tensor]) -> Tensor:
    """Return the normalised features (N, D), float32 on the CPU, of batches of images (B, C, H, W) in [-1, 1]."""
    return torch.cat([_unit(model.embed_images(_beside(model, x))) for x in parts])


def classifier_weights(model: EmbedsTexts, classes: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return the weights (K, D) of a linear classifier of normalised image features: one unit vector a class.

    Args:
        model: embeds the texts.
        classes: their names.
        templates: texts with a place for the name, such as "a photo of a {}"; several are an ensemble.

    Raises:
        ValueError: there is no template, one has no place for the name, or the model lacks a word.
    """
    for template in templates:
        if "{}" not in template:
            raise ValueError(f"the template {template!r} has no place for the name of a class: write {{}} there")
    return prompt_weights(model, [[fill(template, name) for template in templates] for name in classes])


def prompt_weights(model: EmbedsTexts, prompts: Sequence[Sequence[str]]) -> Tensor:
    """Return the weights (K, D) of a classifier whose classes are described by prompts of their own.

    The features of a class's prompts are normalised, averaged, and normalised again, as in CLIP's notebook
    `Prompt_Engineering_for_ImageNet`.

    Args:
        model: embeds the texts.
        prompts: of each class; at least one.

    Raises:
        ValueError: a class has no prompt, or the model lacks a word.
    """
    if not prompts or not all(prompts):
        raise ValueError("zero-shot prediction takes at least one class, and at least one prompt of each")
    # A prompt that describes several classes is embedded once.
    places = {text: place for place, text in enumerate(dict.fromkeys(text for own in prompts for text in own))}
    features = embed_texts(model, list(places))
    return torch.stack([normalize(features[[places[text] for text in own]].mean(0), dim=0) for own in prompts])


def predict(model: EmbedsTexts, x: Tensor, weights: Tensor) -> Tensor:
    """Return the logits (B, K), float32 on the CPU, of images: the logit scale times the cosine similarity.

    Args:
        model: embeds the images.
        x: images (B, C, H, W) in [-1, 1].
        weights: of `classifier_weights`, (K, D).
    """
    return model.logit_scale * embed_images(model, x.split(_BATCH)) @ weights.T


def marginal(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the probabilities (B, K) of classes that are described by prompts together: the sum over each one's.

    Args:
        logits: of images for prompts, (B, P).
        classes: of each prompt, from 0 to K - 1, (P,).
    """
    found = torch.zeros(len(logits), int(classes.max()) + 1)
    return found.index_add_(1, classes, logits.softmax(1))


def _beside(model: Any, rows: Tensor) -> Tensor:
    """Return rows on the device of a model, which is a module with parameters."""
    return rows.to(next(model.parameters(), rows).device)


def _unit(features: Tensor) -> Tensor:
    return normalize(features.detach().float().cpu(), dim=1)
