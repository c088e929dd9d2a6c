"""What networks too large for this machine need of a GPU, whole and divided, by counting without computing.

    python -m tests.benchmarks.on_paper

A step goes through the network with tensors that have shapes and no numbers; CLIP's, which looks at its texts, with
real ones. FLOPs and what autograd keeps are counted, and the rest is arithmetic with the rates of
`capacity`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from genbench.commands.assembly import build
from genbench.conditions.captions import Captions
from genbench.conditions.text_states import TextStates
from genbench.config import compose_config
from genbench.losses import path_lengths, r1_penalty
from genbench.medium import Images
from tests.benchmarks.capacity import FLOPS, GPUS, LINK

FIXED = 20
"""Bytes of a parameter in float32: itself, its gradient, Adam's two moments and its average."""


MEMORY = 75e9
"""Bytes of a GPU of 80 GB that tensors can have."""


@dataclass(frozen=True)
class Model:
    """A network and a step of it.

    Attributes:
        network: to be trained.
        step: returns what is differentiated, for a number of images.
        batch: of all GPUs together.
        frozen: parameters of models that each GPU has besides, whole.
        unaveraged: parameters among the network's that have no average.
        flops: of all of a step for an image; None for those of `step` and its gradient.
        divides: whether the network can be divided among GPUs.
    """

    network: nn.Module
    step: Callable[[int], Tensor]
    batch: int
    frozen: int = 0
    unaveraged: int = 0
    flops: float | None = None
    divides: bool = True


def stable_diffusion() -> Model:
    """Stable Diffusion's U-Net on latents of 64 x 64 and 77 tokens, with its first stage and text encoder beside it."""
    config = compose_config("train", ["experiment=stable_diffusion", "data.root=none"])
    states = TextStates(torch.zeros(1, 77, 768))
    network = build(config.network.denoiser, "network")(shape=(4, 64, 64), condition=states)

    def step(images: int) -> Tensor:
        y = torch.zeros(images, 77, 768)
        found: Tensor = network(torch.zeros(images, 4, 64, 64), torch.zeros(images), y)
        return found

    return Model(network, step, config.data.batch_size, 83_653_863 + 123_060_480)


def clip() -> Model:
    """CLIP's ViT-B/32, whose loss is of embeddings."""
    words = ["experiment=clip_vit_b32", "data.root=none"]
    config = compose_config("train", words)
    condition = Captions(tokenizer="clip_bpe", length=77)
    method = build(config.method, "method", medium=Images((3, 224, 224)), condition=condition)

    def step(images: int) -> Tensor:
        # The longest texts: what follows the end of all of a batch is left out.
        rows = torch.zeros(images, 77, dtype=torch.long)
        rows[:, -1] = condition.form.end
        found, texts, _ = method.towers(torch.zeros(images, 3, 224, 224), rows)
        return torch.cat([found, texts])

    return Model(method.towers, step, config.data.batch_size)


def stylegan() -> Model:
    """StyleGAN2 at 1,024 pixels, configuration F: both networks, their turns and what regularises them."""
    config = compose_config("train", ["experiment=stylegan_folder1024", "data.root=none"])
    shape = (3, 1024, 1024)
    generator = build(config.network.generator, "network")(latent_dim=512, image_shape=shape)
    discriminator = build(config.network.discriminator, "network")(image_shape=shape)

    def drawn(images: int) -> Tensor:
        found: Tensor = generator(torch.zeros(images, 512))
        return found

    def step(images: int) -> Tensor:
        """The generator's turn, which keeps most."""
        found: Tensor = discriminator(drawn(images))
        return found

    def turn_of_discriminator() -> Tensor:
        found: Tensor = discriminator(torch.zeros(1, *shape)) + discriminator(drawn(1).detach())
        return found

    def r1() -> Tensor:
        return r1_penalty(discriminator, torch.zeros(1, *shape))

    def path_length() -> Tensor:
        w = generator.repeated(generator.mapping(torch.zeros(1, 512)))
        return path_lengths(generator.synthesise, w)

    # Path lengths are of half as many images.
    flops = counted(lambda: step(1)) + counted(turn_of_discriminator) + counted(r1) / 16 + counted(path_length) / 8
    return Model(
        nn.ModuleList([generator, discriminator]), step, config.data.batch_size, flops=flops, divides=False,
        unaveraged=sum(each.numel() for each in discriminator.parameters()),
    )  # fmt: skip


class _Nowhere(ModuleTracker):
    """Follows no modules, whose hooks a penalty of gradients does not bear."""

    def __enter__(self) -> "_Nowhere":
        return self

    def __exit__(self, *args: object) -> None:
        return


def counted(make: Callable[[], Tensor]) -> float:
    """Return the FLOPs of what is differentiated, and of its gradient."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Nowhere()
    with counter:
        make().sum().backward()
    return float(counter.get_total_flops())


def kept_by(model: Model, images: int) -> int:
    """Return the bytes that autograd keeps in a forward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = model.step(images)
    del found
    return sum(kept.values())


def needs(model: Model) -> dict[str, Any]:
    """Return what a model needs on `GPUS` GPUs, by DDP and divided."""
    parameters = sum(each.numel() for each in model.network.parameters())
    flops = counted(lambda: model.step(1)) if model.flops is None else model.flops
    activations = kept_by(model, 2) - kept_by(model, 1)
    images = model.batch / GPUS
    fixed = FIXED * parameters - 4 * model.unaveraged
    ddp, fsdp = ((each + 4 * model.frozen) for each in (fixed + 4 * parameters, fixed / GPUS))
    ring = (GPUS - 1) / GPUS * 4 * parameters
    divided = {
        "fsdp_fixed_gb": fsdp / 1e9,
        "fsdp_images_a_gpu": (MEMORY - fsdp) // activations,
        # Weights are gathered forwards and backwards, and gradients scattered.
        "fsdp_traffic_gb": 3 * ring / 1e9,
        "fsdp_traffic_seconds": 3 * ring / LINK,
    }
    return {
        "parameters": parameters,
        "batch": model.batch,
        # DDP keeps gradients a second time, in the buckets that it sends.
        "ddp_fixed_gb": ddp / 1e9,
        "activations_gb_an_image": activations / 1e9,
        "ddp_images_a_gpu": (MEMORY - ddp) // activations,
        "tflop_an_image": flops / 1e12,
        "images_a_second": GPUS * FLOPS / flops,
        "seconds_a_step": images * flops / FLOPS,
        # Gradients go round twice.
        "ddp_traffic_gb": 2 * ring / 1e9,
        # Weights, average, moments.
        "checkpoint_gb": (16 * parameters - 4 * model.unaveraged) / 1e9,
        **(divided if model.divides else {}),
    }


def main() -> None:
    """Print a line of JSON a model."""
    for make, place in (
        (stable_diffusion, torch.device("meta")), (clip, torch.device("cpu")), (stylegan, FakeTensorMode())
    ):  # fmt: skip
        with place:
            print(json.dumps({"model": make.__name__, **needs(make())}), flush=True)


if __name__ == "__main__":
    main()
