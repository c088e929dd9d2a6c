"""The autoencoder of maps against the parameter counts of the authors' files, and its shapes."""

from typing import Any

import pytest
import torch
from torch import nn

from genbench.networks.map_autoencoder import MapAutoencoder
from genbench.networks.quantiser import VectorQuantiser

F4: dict[str, Any] = {"latent_channels": 3, "multipliers": (1, 2, 4), "attention": ()}


def size(module: nn.Module | None) -> int:
    return 0 if module is None else sum(each.numel() for each in module.parameters())


def build(moments: int, codes: int = 0, **settings: Any) -> MapAutoencoder:
    def quantiser(channels: int) -> nn.Module:
        return VectorQuantiser(codes, channels)

    with torch.device("meta"):
        return MapAutoencoder((3, 256, 256), moments, quantiser if codes else None, **settings)


# Of taming-transformers' and latent diffusion's configurations.
@pytest.mark.parametrize(
    ("count", "moments", "codes", "settings"),
    [
        (72_141_699, 1, 1024, {}),
        (76_073_859, 1, 16384, {}),
        (55_322_782, 1, 8192, F4),
        (67_717_295, 1, 16384, {"latent_channels": 4, "multipliers": (1, 2, 2, 4), "attention": (32,)}),
        (69_593_371, 1, 16384, {"latent_channels": 8}),
        (55_312_063, 2, 0, F4),
        (83_653_863, 2, 0, {"latent_channels": 4, "multipliers": (1, 2, 4, 4), "attention": ()}),
        (69_610_963, 2, 0, {"latent_channels": 16}),
        (103_880_131, 2, 0, {"latent_channels": 64, "multipliers": (1, 1, 2, 2, 4, 4), "attention": (16, 8)}),
    ],
)
def test_the_parameters_are_as_many_as_the_authors(
    count: int, moments: int, codes: int, settings: dict[str, Any]
) -> None:
    assert size(build(moments, codes, **settings)) == count


def test_encoder_and_decoder_alone_are_as_large_as_vqgans() -> None:
    network = build(1, 1024)
    parts = [network.encoder, network.decoder, network.to_latent, network.from_latent, network.quantiser]
    assert [size(part) for part in parts] == [29_298_176, 42_449_795, 65_792, 65_792, 262_144]


def test_maps_have_the_shape_that_is_said_and_images_come_back() -> None:
    network = MapAutoencoder((1, 16, 16), 2, latent_channels=3, z_channels=5, width=4, multipliers=(1, 2, 2), blocks=1)
    x = torch.randn(2, 1, 16, 16)
    moments = network.encode(x)
    assert network.latent_shape == (3, 4, 4)
    assert moments.shape == (2, 6, 4, 4)
    assert network.decode(moments[:, :3]).shape == x.shape
    # It is convolutional: other sizes come out of other maps.
    assert network.decode(torch.randn(1, 3, 2, 6)).shape == (1, 1, 8, 24)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((3, 20, 20), {}, "5 multipliers take square images of a side divisible by 16, not 20 x 20"),
        ((3, 32, 16), {}, "square"),
        ((3, 32, 32), {"width": 0}, "width must be at least 1, not 0"),
        ((3, 32, 32), {"latent_channels": 0}, "latent_channels must be at least 1"),
    ],
)
def test_what_does_not_fit_is_said(shape: tuple[int, ...], settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MapAutoencoder(shape, **settings)
