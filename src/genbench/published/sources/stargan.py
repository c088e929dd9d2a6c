"""StarGAN's published models (Choi et al. 2018): `200000-G.ckpt` and `200000-D.ckpt` of yunjey/stargan.

The running statistics of their instance norms are left out: the authors' code never uses them, since it translates in
training mode. On 2026-11-27 the generator of five attributes (8,430,528 parameters) and the discriminator (44,762,048)
gave the same outputs as that code, run with equal weights.
"""

from typing import Any

from torch import Tensor

from genbench.conditions.attributes import Attributes
from genbench.conditions.target_domain import TargetDomain
from genbench.errors import UserError
from genbench.published.networks import last_index, networks_of, tensor_of
from genbench.published.source import Archive, Published, Source, Weights, renamed

_ATTRIBUTES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
"""Those of the authors' model of CelebA, in its order."""

_SIDE = 128
_STATISTICS = (r".*\.(running_mean|running_var|num_batches_tracked)", "")


class StarGAN(Source):
    """A generator of CelebA's attributes, with its discriminator if it is there."""

    title = "StarGAN of yunjey/stargan"
    files = r"(?P<epoch>\d+)-(?P<network>[GD])"

    def recognises(self, archive: Archive) -> bool:
        """Return whether such a generator is among the networks."""
        return any(map(_is_generator, networks_of(archive, self.files).values()))

    def convert(self, archive: Archive) -> Published:
        """Return the networks in GenBench's words.

        Raises:
            UserError: there is no generator, it is of two data sets at once, or a tensor has no counterpart.
        """
        networks = networks_of(archive, self.files)
        generator = next((each for each in networks.values() if _is_generator(each)), None)
        if generator is None:
            raise UserError(f"{archive.path} has no generator of StarGAN, which 200000-G.ckpt holds")
        first = generator["main.0.weight"]
        channels = tensor_of(generator, f"main.{last_index(generator, 'main')}.weight").shape[0]
        names = _names(first.shape[1] - channels)
        settings: dict[str, Any] = {
            "network.generator.width": first.shape[0],
            "network.generator.blocks": len({name.split(".")[1] for name in generator if ".main.0." in name}),
            "data.attributes": names,
            "data.channels": channels,
        }
        weights = {"generator": _generator_weights(generator)}
        side = _SIDE
        if (discriminator := networks.get("D")) is not None:
            of_domains = tensor_of(discriminator, "conv2.weight")
            if of_domains.shape[0] != len(names):
                raise UserError(
                    f"{archive.path} was trained on two data sets at once, with a mask beside the domains: "
                    "a model of one data set alone has a counterpart here"
                )
            layers = last_index(discriminator, "main") // 2 + 1
            settings |= {
                "network.discriminator.width": tensor_of(discriminator, "main.0.weight").shape[0],
                "network.discriminator.layers": layers,
            }
            side = of_domains.shape[2] * 2**layers
            weights["discriminator"] = _discriminator_weights(discriminator)
        condition = TargetDomain(Attributes(names), (channels, side, side), drawn=True)
        return Published(
            "stargan_celeba", settings | {"data.size": side}, weights, condition=condition, notes=_notes(names, weights)
        )


def _is_generator(weights: Weights) -> bool:
    """Return whether a network has a first convolution of 7 pixels, and residual blocks within `main`."""
    first = weights.get("main.0.weight")
    return first is not None and first.ndim == 4 and first.shape[2] == 7 and "main.9.main.0.weight" in weights


def _names(count: int) -> list[str]:
    return list(_ATTRIBUTES) if count == len(_ATTRIBUTES) else [str(number) for number in range(count)]


def _notes(names: list[str], weights: dict[str, dict[str, Tensor]]) -> tuple[str, ...]:
    """Return what the file does not say."""
    notes = []
    if names == list(_ATTRIBUTES):
        notes.append(f"the file does not name its five attributes: taken for {', '.join(names)}")
    else:
        notes.append(f"the file does not name its {len(names)} domains: they are attributes 0 to {len(names) - 1}")
    if "discriminator" not in weights:
        notes.append("without 200000-D.ckpt beside it, it can be sampled and not trained on; taken for 128 pixels")
    return tuple(notes)


def _generator_weights(weights: Weights) -> dict[str, Tensor]:
    block = (r"main\.(\d+)\.main\.(\d+\.\w+)", r"layers.\1.layers.\2")
    return renamed(weights, [_STATISTICS, block, (r"main\.(\d+\.\w+)", r"layers.\1")])


def _discriminator_weights(weights: Weights) -> dict[str, Tensor]:
    return renamed(
        weights,
        [(r"main\.(\d+\.\w+)", r"blocks.\1"), (r"conv1\.(\w+)", r"to_output.\1"), (r"conv2\.(\w+)", r"to_domain.\1")],
    )
