"""How StackGAN-Pytorch calls the tensors of its generators, and what they say of the networks."""

from typing import Any

from torch import Tensor

from genbench.conditions.embeddings import Embeddings
from genbench.published.networks import last_index, rules_of, tensor_of
from genbench.published.source import Weights, renamed

STAGE_ONE = "STAGE1_G."
"""What the names of the first stage begin with within the file of the second."""

NOTES = (
    "it takes embeddings of captions by the authors' char-CNN-RNN, as condition=FILE.npy: no text is read",
    "the discriminator is another file's",
)

_AUGMENTATION = {"ca_net.fc": "augmentation.to_moments"}


def condition_of(weights: Weights) -> Embeddings:
    """Return what a generator is conditioned on."""
    return Embeddings(tensor_of(weights, "ca_net.fc.weight").shape[1])


def augmentation_settings(weights: Weights) -> dict[str, Any]:
    """Return the settings of the augmentation, whose ReLU is part of that code."""
    return {
        "network.generator.caption_dim": tensor_of(weights, "ca_net.fc.weight").shape[0] // 2,
        "network.generator.activation": "relu",
    }


def doublings(weights: Weights) -> int:
    """Return how many layers double the side."""
    names = {name.split(".")[0] for name in weights if name.startswith("upsample")}
    return len(names)


def stage_one_weights(weights: Weights) -> dict[str, Tensor]:
    """Return the first stage's weights under our names.

    Raises:
        UserError: a tensor has no counterpart.
    """
    places = {**_AUGMENTATION, "fc.0": "project.0", "fc.1": "project.1", "img.0": "to_image.0"}
    return renamed(weights, rules_of({**places, **_doubling_places(weights)}))


def stage_two_weights(weights: Weights) -> dict[str, Tensor]:
    """Return the second stage's weights under our names.

    Raises:
        UserError: a tensor has no counterpart.
    """
    places = {**_AUGMENTATION, "encoder.0": "encoder.0", "hr_joint.0": "join.0", "hr_joint.1": "join.1"}
    for number in range(halvings(weights)):
        places |= {f"encoder.{2 + 3 * number + inner}": f"encoder.{2 + number}.{inner}" for inner in (0, 1)}
    for block in range(blocks(weights)):
        places |= {
            f"residual.{block}.block.{inner}": f"residual_blocks.{block}.layers.{inner}" for inner in (0, 1, 3, 4)
        }
    places |= {"img.0": "to_image"}
    return renamed(weights, rules_of({**places, **_doubling_places(weights)}))


def halvings(weights: Weights) -> int:
    """Return how many layers of the second stage halve the side of the small image."""
    # The first convolution and its ReLU, then convolution, BatchNorm and ReLU of each.
    return last_index(weights, "encoder") // 3


def blocks(weights: Weights) -> int:
    """Return how many residual blocks the second stage has."""
    return last_index(weights, "residual") + 1


def _doubling_places(weights: Weights) -> dict[str, str]:
    return {
        f"upsample{number + 1}.{inner}": f"blocks.{number}.{inner}"
        for number in range(doublings(weights))
        for inner in (1, 2)
    }
