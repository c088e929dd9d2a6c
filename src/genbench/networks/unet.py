"""The U-Net of diffusion models (Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B).

Residual blocks with GroupNorm at several resolutions, self-attention at some of them, and skip connections from the
encoder to the decoder. Every block gets the time embedding, to which a condition's vector is added. A condition's
sequence is attended to, and its channels are concatenated to the sample's (see `conditioning`). Further channels, such
as the known part of an image, come with each call.

Ho's code and OpenAI's (Nichol and Dhariwal 2021; Dhariwal and Nichol 2021) differ in details, which are settings whose
values say whose they are. With equal weights the outputs are equal to those of the authors' code: see
docs/diffusion.md.

Example:
    >>> UNet((3, 32, 32))(torch.randn(2, 3, 32, 32), torch.rand(2)).shape  # the paper's for CIFAR-10: 35.7 M parameters
    torch.Size([2, 3, 32, 32])
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.networks.conditioning import ConditionEncoder, encoder_of
from genbench.networks.time_embedding import TimeFeatures, embed_time
from genbench.networks.unet_blocks import Given, Initialisation, Norm, Padding, ZeroConv2d, initialise_as_ho
from genbench.networks.unet_levels import Attends, AttendTo, Levels, Order, Resampling, maps_of

Skips = Literal["ho", "imagen"]


class UNet(nn.Module):
    """Predict one or more images (noise, score, variance) from noisy images and their times.

    The defaults are DDPM's for CIFAR-10.

    Args:
        shape: (C, H, W) of a noisy image; H = W, a multiple of two to the number of halvings.
        condition: what it is conditioned on; None for unconditional.
        outputs: images it predicts at once, such as 2 for noise and variance.
        channels_out: of each of these; as many as the noisy image has if None.
        latent_dim: length of a latent whose embedding is added to the time's, so that the prediction is stochastic; 0
            for none.
        style_dim: length of a style that scales the maps of every block, see `ResidualBlock`; 0 for none.
        extra_channels: of what is concatenated to the noisy image beside the condition's channels; 0 for nothing.
        with_level: whether each call also says how noisy those are, as a level of noise that is embedded like the time
            and added to it (Ho et al. 2022, https://arxiv.org/abs/2106.15282, section 4.2).
        patch: side in pixels of the patches whose pixels become channels, so that the first map is as much smaller
            (Hoogeboom et al. 2023, https://arxiv.org/abs/2301.11093, section 3); 1 for none.
        text: builds the encoder of captions from their form and the width of a vector; None for
            `conditioning.EmbeddedTokens`.
        passes_states: whether states of a frozen text encoder are attended to as they are, as in Stable Diffusion, or
            normalised and pooled besides, as in Imagen.
        width: channels of the first convolution's output.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution of the encoder, one number for all or one each; the decoder has one
            more, or as many in the order "imagen".
        order: of blocks and changes of size, "ho" or "imagen", see `Levels`.
        skips: "ho", a skip connection is concatenated as it is; or "imagen", divided by sqrt 2 (Saharia et al. 2022,
            appendix B.1).
        attention: resolutions that have self-attention, as sides of their maps; the lowest always has it once, except
            in the order "imagen".
        attend_to: "map", the map itself and a condition's sequence, if there is one; or "sequence", that alone, as at
            1024 pixels in Imagen.
        heads: of each self-attention; None if `head_channels` says how many.
        head_channels: channels of each head; None if `heads` says how many there are.
        transformer_depth: blocks of a transformer in the place of each attention, as in latent diffusion, see
            `SpatialTransformer`; 0 for attention alone.
        dropout: probability in the residual blocks.
        time: "sinusoids", at Ho's frequencies; "sinusoids_openai", at OpenAI's; or "fourier", random Fourier features.
        time_scale: what t = 1 is scaled to before the sinusoids: 1000, or T for a chain of T steps whose index is not
            rescaled.
        time_width: number of time features, of which the embedding is four times as long; None for `width`.
        adaptive: how blocks are conditioned on the embedding, see `ResidualBlock`.
        padding: of the strided convolutions, "ho" or "openai", see `Downsample`.
        resampling: "convolution", or "residual" for residual blocks that resample (Dhariwal and Nichol 2021).
        groups: of each GroupNorm; None for 32, or fewer in narrow maps.
        norm_eps: epsilon of each GroupNorm: 1e-6 in Ho's code, 1e-5 in OpenAI's.
        initialisation: "ho", see `initialise_as_ho`, or "openai", torch's own; what ends a residual branch begins at
            zero in both.

    Raises:
        ValueError: the shape is not that of square images of a suitable side, or a setting is none of its choices.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        channels_out: int | None = None,
        latent_dim: int = 0,
        style_dim: int = 0,
        extra_channels: int = 0,
        with_level: bool = False,
        patch: int = 1,
        text: Callable[..., ConditionEncoder] | None = None,
        passes_states: bool = False,
        width: int = 128,
        multipliers: Sequence[float] = (1, 2, 2, 2),
        blocks: int | Sequence[int] = 2,
        order: Order = "ho",
        skips: Skips = "ho",
        attention: Sequence[int] = (16,),
        attend_to: AttendTo = "map",
        heads: int | None = 1,
        head_channels: int | None = None,
        transformer_depth: int = 0,
        dropout: float = 0.1,
        time: TimeFeatures = "sinusoids",
        time_scale: float = 1000.0,
        time_width: int | None = None,
        adaptive: bool = False,
        padding: Padding = "ho",
        resampling: Resampling = "convolution",
        groups: int | None = None,
        norm_eps: float = 1e-6,
        initialisation: Initialisation = "ho",
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"a U-Net takes images (C, H, W), not samples of shape {tuple(shape)}")
        expect_choice("initialisation", initialisation, Initialisation)
        channels_in, height, side = shape
        if patch < 1 or height % patch or side % patch:
            raise ValueError(f"patch={patch} must divide the sides of {height} x {side} pixels")
        self.patch = patch
        height, side = height // patch, side // patch
        expect_choice("skips", skips, Skips)
        self.skip_scale = 2**-0.5 if skips == "imagen" else 1.0
        halvings = len(multipliers) - (0 if order == "imagen" else 1)
        maps = maps_of(width, multipliers, height, side, halvings)
        features = time_width or width
        embedding = 4 * features
        self.embed_time = embed_time(time, features, embedding, time_scale)
        self.embed_latent = _latent_mapping(latent_dim, embedding) if latent_dim else None
        self.embed_condition = (
            None
            if condition is None
            else encoder_of(condition, embedding, tuple(shape), text=text, passes_states=passes_states)
        )
        self.embed_level = embed_time(time, features, embedding, time_scale) if with_level else None
        more = extra_channels + (0 if self.embed_condition is None else self.embed_condition.channels)
        context = 0 if self.embed_condition is None else self.embed_condition.context
        norm = Norm(groups, norm_eps)
        attends = Attends(attention, heads, head_channels, context, attend_to, transformer_depth)
        levels = Levels(
            maps, blocks, attends, embedding, dropout, adaptive, padding, resampling, norm, order, style_dim
        )
        self.from_image = nn.Conv2d(patch**2 * (channels_in + more), width, 3, padding=1)
        self.down, joined = levels.down(width, side)
        self.middle = levels.middle()
        self.up = levels.up(joined, side // 2**halvings)
        last = ZeroConv2d(maps[0], patch**2 * outputs * (channels_out or channels_in), 3, padding=1)
        self.to_image = nn.Sequential(norm(maps[0]), nn.SiLU(), last)
        if initialisation == "ho":
            for part in (self.embed_time, self.embed_level, self.from_image, self.down, self.middle, self.up):
                if part is not None:
                    initialise_as_ho(part)

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        condition: Tensor | None = None,
        z: Tensor | None = None,
        *,
        extra: Tensor | None = None,
        level: Tensor | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """Return predictions (B, outputs * channels_out, H, W).

        Args:
            x_t: noisy images (B, C, H, W).
            t: their times (B,) in [0, 1].
            condition: rows of its condition, (B, ...); None for the null condition.
            z: latents (B, latent_dim), if `latent_dim` is not 0.
            extra: (B, extra_channels, H, W), if `extra_channels` is not 0.
            level: of the noise in `extra`, (B,) in [0, 1], if the network is built `with_level`.
            style: (B, style_dim), if `style_dim` is not 0.
        """
        embedding = self.embed_time(t)
        if self.embed_latent is not None:
            embedding = embedding + self.embed_latent(z)
        if self.embed_level is not None:
            embedding = embedding + self.embed_level(level)
        sequence = mask = values = None
        if self.embed_condition is not None:
            rows = self.embed_condition.rows_or_null(condition, len(x_t))
            encoded = self.embed_condition(rows)
            sequence, mask, values = encoded.sequence, encoded.mask, encoded.values
            if encoded.vector is not None:
                embedding = embedding + encoded.vector
            if encoded.channels is not None:
                x_t = torch.cat([x_t, encoded.channels], dim=1)
        if extra is not None:
            x_t = torch.cat([x_t, extra], dim=1)
        given = Given(embedding, sequence, mask, values, style)
        x = self.from_image(pixel_unshuffle(x_t, self.patch) if self.patch > 1 else x_t)
        # In the order "imagen" the first map is none of a skip connection.
        skips = [x] if len(self.up) > len(self.down) else []
        for down in self.down:
            x = down(x, given)
            skips.append(x)
        x = self.middle(x, given)
        for up in self.up:
            skip = skips.pop()
            x = up(torch.cat([x, skip if self.skip_scale == 1 else self.skip_scale * skip], dim=1), given)
        out: Tensor = self.to_image(x)
        return pixel_shuffle(out, self.patch) if self.patch > 1 else out


def _latent_mapping(latent_dim: int, length: int) -> nn.Sequential:
    """Return StyleGAN's mapping network, as in denoising diffusion GANs: a normalised latent through an MLP."""
    layers: list[nn.Module] = [nn.RMSNorm(latent_dim, elementwise_affine=False), nn.Linear(latent_dim, length)]
    for _ in range(2):
        layers += [nn.SiLU(), nn.Linear(length, length)]
    return nn.Sequential(*layers)
