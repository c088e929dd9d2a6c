"""Key points that are learnt without labels, for the pose of talking heads.

An image is drawn anew from P places in it and from another frame of the same person; and the places follow when the
image is warped (Jakab et al. 2018, https://arxiv.org/abs/1806.07823, section 3; Siarohin et al. 2019, First Order
Motion, https://arxiv.org/abs/2003.00196, section 3.1, without its Jacobians):

    L = E |x_T - D(s, k(s), k(x_T))|_1 + lambda E |k(x) - T(k(x_T))|_1 + mu E exp(-|k_p(x) - k_q(x)|^2 / (2 s^2))
    x_T(z) = x(T(z))

where x is a frame, s another one of that person, k(.) the key points and T a random warp. Appearance comes from s
alone, so the places must say where its parts are. The warp also keeps the places from naming a training image. The last
term, over pairs p, q of points, keeps them apart (Zhang et al. 2018, https://arxiv.org/abs/1804.04412, section 3.1).

Example:
    python -m genbench experiment=keypoints_faces data.root=~/att_faces
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from genbench.abilities import EmbedsImages
from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.posed import Posed
from genbench.medium import Images
from genbench.methods.base import GenerativeMethod
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.methods.perceptual import Perceptual, PerceptualDistance
from genbench.methods.posing import posed, shots_of
from genbench.networks.keypoints import KeypointAutoencoder
from genbench.networks.thin_plate import ThinPlate
from genbench.parts import Frozen
from genbench.randomness import Noise


class Keypoints(GenerativeMethod):
    """Learn key points. Its samples are images drawn anew, from their key points and another frame.

    Args:
        autoencoder: builds the network from `image_shape` and `points`.
        image_shape: (C, H, W) of the data.
        condition: of the data, people by frames; or what a run folder keeps, `Posed`.
        points: P, key points of an image.
        optimizer: maps parameters to an optimizer.
        equivariance_weight: lambda.
        separation_weight: mu.
        separation: s, below which points are near each other, as a fraction of half of the image's side.
        affine: deviation of the warp's matrix from the identity.
        spline: deviation of its thin-plate spline.
        perceptual: features by which images are compared besides their pixels, see `PerceptualDistance`.
        perceptual_weight: of that distance; that of the pixels is 1.
        perceptual_part: a model that embeds images.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or the data shows no people by frames.
    """

    derives_condition = True
    calls_inside = True

    medium: Images
    condition: Posed

    def __init__(
        self,
        autoencoder: Callable[..., KeypointAutoencoder],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        points: int = 10,
        optimizer: MakeOptimizer,
        equivariance_weight: float = 1.0,
        separation_weight: float = 1.0,
        separation: float = 0.15,
        affine: float = 0.05,
        spline: float = 0.005,
        perceptual: Perceptual = "none",
        perceptual_weight: float = 1.0,
        perceptual_part: Frozen[EmbedsImages] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        shots = shots_of(condition, "key points")
        for name, value in (
            ("equivariance_weight", equivariance_weight), ("separation_weight", separation_weight),
            ("affine", affine), ("spline", spline), ("perceptual_weight", perceptual_weight),
        ):  # fmt: skip
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        if separation <= 0:
            raise ValueError(f"separation must be positive, not {separation}")
        self.medium = Images(image_shape)
        self.condition = Posed(shots, points)
        self.keypoint_count = points
        self.equivariance_weight = equivariance_weight
        self.separation_weight, self.separation = separation_weight, separation
        self.affine, self.spline = affine, spline
        self.perceptual_part = perceptual_part
        self.perceptual_weight = perceptual_weight
        self.distance = PerceptualDistance(perceptual, perceptual_part, self.medium)
        self.autoencoder = autoencoder(image_shape=image_shape, points=points)
        self.average = self.averaged(self.autoencoder)
        self.optimise("autoencoder", self.autoencoder, optimizer, average=self.average)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("autoencoder", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the loss of a batch, and its terms."""
        x, rows = batch.pair()
        _, frames = self.condition.shots.split(rows)
        warp = ThinPlate.draw(len(x), x.device, affine=self.affine, spline=self.spline)
        x_t = warp.images(x)
        x_rec, points = self.autoencoder(frames[:, 0], x_t)
        pixels = (x_t - x_rec).abs().mean()
        unwarped = self.autoencoder.find(x)
        equivariance = equivariance_loss(unwarped, points, warp)
        nearness = nearness_loss(unwarped, self.separation)
        loss = pixels + self.equivariance_weight * equivariance + self.separation_weight * nearness
        figures = {"loss/pixels": pixels, "loss/equivariance": equivariance, "loss/nearness": nearness}
        if self.distance.kind != "none":
            features = self.distance(x_t, x_rec).mean()
            loss = loss + self.perceptual_weight * features
            figures["loss/perceptual"] = features
        return loss, figures

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the frames, with the key points of the images themselves and of the frames."""
        x, rows = batch.pair()
        return posed(self.condition, self.find_keypoints, x, rows)

    @torch.no_grad()
    def find_keypoints(self, x: Tensor) -> Tensor:
        """Return key points (B, P, 2), (x, y) in [-1, 1], of images (B, C, H, W), from the averaged weights."""
        return cast(KeypointAutoencoder, self.average.module).find(x.to(self.device))

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images drawn by key points and the first frame of each person; they use no noise.

        Raises:
            ValueError: the condition is missing or invalid.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        points, _, frames = self.condition.split(rows)
        return cast(KeypointAutoencoder, self.average.module).draw(frames[:, 0], points[:, 1], points[:, 0])


def equivariance_loss(points: Tensor, warped: Tensor, warp: ThinPlate) -> Tensor:
    """Return the mean of |k(x) - T(k(x_T))|, of key points (B, P, 2) of images and of warped ones."""
    return (points - warp.places(warped)).abs().mean()


def nearness_loss(points: Tensor, scale: float) -> Tensor:
    """Return the mean of exp(-d^2 / (2 scale^2)) over the distances d of all pairs of points (B, P, 2).

    It is 1 where all points are in one place, and 0 of a single one.
    """
    distances = (points[:, :, None] - points[:, None]).square().sum(-1)
    near = (-distances / (2 * scale**2)).exp().sum((1, 2)) - points.shape[1]
    return (near / max(1, points.shape[1] * (points.shape[1] - 1))).mean()
