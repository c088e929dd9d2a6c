"""Talking heads: a person, shown by a few frames, in the pose of another picture (Zakharov et al. 2019).

https://arxiv.org/abs/1905.08233. The embedding of person i is the mean over K frames x_k with pictures y_k of their
poses; the generator draws the person in a pose y. Poses are key points, found by a frozen part.

    e_i = 1/K sum_k E(x_k, y_k),    x_fake = G(y, P e_i),    D(x, y, i) = V(x, y)' (W_i + w_0) + b
    L_D = E max(0, 1 - D(x, y, i)) + E max(0, 1 + D(x_fake, y, i)) + match E |e_i - W_i|_1       (in W alone)
    L_G = |x - x_fake|_1 + w features(x, x_fake) - a E D(x_fake, y, i) + fm sum_l |V_l(x) - V_l(x_fake)|_1
          + match E |e_i - W_i|_1                                                              (in E alone)

so that e_i comes to be what the discriminator knows of person i, and stands for W_i of a new one: see `few_shot`.

Example:
    python -m genbench experiment=talking_heads_faces data.root=~/att_faces parts.keypoints=outputs/keypoints_faces/RUN
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from genbench.abilities import EmbedsImages, FindsKeypoints
from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.posed import Posed
from genbench.losses import make_objective
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.adversarial.few_shot import FewShot
from genbench.methods.encoding_once import check_shape
from genbench.methods.optimisation import Loss
from genbench.methods.perceptual import Perceptual, PerceptualDistance
from genbench.methods.posing import posed, shots_of
from genbench.networks.keypoints import draw_points
from genbench.networks.talking_heads import PortraitGenerator, ProjectionDiscriminator
from genbench.parts import Frozen
from genbench.randomness import Noise

_HINGE = make_objective("hinge")


class TalkingHeads(AdversarialMethod):
    """Draw people, by a few frames, in given poses. Its samples are held-out frames, drawn by others of the person.

    Args:
        generator: builds embedder, projection and generator from `image_shape`.
        discriminator: builds the discriminator from `image_shape` and `people`, their number.
        image_shape: (C, S, S) of the data.
        condition: of the data, people by frames; or what a run folder keeps, `Posed`.
        keypoints: finds the poses.
        sigma: deviation of the blots that a pose is drawn by, as a fraction of half of the side.
        pixel_weight: of |x - x_fake|_1 of pixels; the paper has none.
        perceptual: features by which images are compared besides, see `PerceptualDistance`.
        perceptual_weight: w, of that distance.
        perceptual_part: a model that embeds images.
        adversarial_weight: a; 0 for the other terms alone.
        feature_weight: fm, of the discriminator's features.
        match_weight: match, of embeddings to what the discriminator knows of people.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, the data shows no people by frames, or the key points are of other
            images.
    """

    derives_condition = True
    calls_inside = True

    medium: Images
    condition: Posed

    def __init__(
        self,
        generator: Callable[..., PortraitGenerator],
        discriminator: Callable[..., ProjectionDiscriminator],
        image_shape: Sequence[int],
        condition: Condition | None,
        keypoints: Frozen[FindsKeypoints],
        *,
        sigma: float = 0.06,
        pixel_weight: float = 10.0,
        perceptual: Perceptual = "none",
        perceptual_weight: float = 1.0,
        perceptual_part: Frozen[EmbedsImages] | None = None,
        adversarial_weight: float = 1.0,
        feature_weight: float = 10.0,
        match_weight: float = 10.0,
        discriminator_steps: int = 2,
        **settings: Any,
    ) -> None:
        shots = shots_of(condition, "talking heads")
        weights = {
            "pixel_weight": pixel_weight, "perceptual_weight": perceptual_weight,
            "adversarial_weight": adversarial_weight, "feature_weight": feature_weight, "match_weight": match_weight,
        }  # fmt: skip
        for name, value in weights.items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        if sigma <= 0:
            raise ValueError(f"sigma must be positive, not {sigma}")
        made = generator(image_shape=image_shape)
        critic = discriminator(image_shape=image_shape, people=len(shots.people.names))
        if made.embedding_dim != critic.embedding_dim:
            raise ValueError(
                f"embeddings of people have {made.embedding_dim} numbers in the generator and {critic.embedding_dim} "
                "in the discriminator: give both networks the same width and most"
            )
        super().__init__(made, critic, discriminator_steps=discriminator_steps, **settings)
        self.medium = Images(image_shape)
        check_shape("keypoints", keypoints.medium, self.medium)
        self.condition = Posed(shots, keypoints.keypoint_count)
        self.keypoints = keypoints
        self.sigma = sigma
        self.weights = weights
        self.perceptual_part = perceptual_part
        self.distance = PerceptualDistance(perceptual, perceptual_part, self.medium)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the discriminator and, on every k-th step, the generator, in poses that are found once for both."""
        return super().training_step(Batch(batch.x, self.condition_of(batch)), batch_idx)

    def discriminator_loss(self, batch: Batch) -> Loss:
        """The hinge, and match E |e_i - W_i|_1, by which W follows e."""
        x, people, pose, frames, poses = self._unpacked(batch)
        with torch.no_grad():
            e = self._generator.embed(frames, poses)
            x_fake = self._generator.draw(pose, self._generator.styles(e))
        w = self._discriminator.of(people)
        (real, _), (fake, _) = (self._discriminator(images, pose, w) for images in (x, x_fake))
        match = l1_loss(self._discriminator.people(people), e)
        loss = _HINGE.discriminator(real, fake) + self.weights["match_weight"] * match
        return loss, {"adversary/d_real": real.mean(), "adversary/d_fake": fake.mean()}

    def generator_loss(self, batch: Batch) -> Loss:
        """What images differ in, what the discriminator says of them, and match E |e_i - W_i|_1, by which e follows."""
        x, people, pose, frames, poses = self._unpacked(batch)
        e = self._generator.embed(frames, poses)
        x_fake = self._generator.draw(pose, self._generator.styles(e))
        loss, figures = self.likeness(self._discriminator, x, x_fake, pose, self._discriminator.of(people))
        match = l1_loss(e, self._discriminator.people(people))
        return loss + self.weights["match_weight"] * match, figures | {"loss/match": match}

    def likeness(
        self, discriminator: ProjectionDiscriminator, x: Tensor, x_fake: Tensor, pose: Tensor, w: Tensor
    ) -> Loss:
        """Return the content and the adversarial loss, with their terms.

        Args:
            discriminator: the method's, or a copy of it that is trained on one person.
            x: images (B, C, S, S).
            x_fake: the same, drawn.
            pose: pictures of their poses (B, 3, S, S).
            w: of the people, (B, D).
        """
        pixels = l1_loss(x_fake, x)
        loss, figures = self.weights["pixel_weight"] * pixels, {"loss/pixels": pixels}
        if self.distance.kind != "none":
            figures["loss/perceptual"] = self.distance(x, x_fake).mean()
            loss = loss + self.weights["perceptual_weight"] * figures["loss/perceptual"]
        if self.weights["adversarial_weight"] or self.weights["feature_weight"]:
            fake, features = discriminator(x_fake, pose, w)
            with torch.no_grad():
                _, known = discriminator(x, pose, w)
            figures["loss/adversarial"] = _HINGE.generator(fake)
            figures["loss/features"] = torch.stack(
                [l1_loss(one, other) for one, other in zip(features, known, strict=True)]
            ).sum()
            loss = loss + self.weights["adversarial_weight"] * figures["loss/adversarial"]
            loss = loss + self.weights["feature_weight"] * figures["loss/features"]
        return loss, figures

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the frames of people, with the poses of the images themselves and of the frames."""
        x, rows = batch.pair()
        return posed(self.condition, self.keypoints.find_keypoints, x, rows)

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return people in poses (count, C, S, S), from the averaged generator; they use no noise.

        Raises:
            ValueError: the condition is missing or invalid.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        _, pose, frames, poses = self._read(rows)
        images: Tensor = self.average(pose, frames, poses)
        return images

    def find_keypoints(self, x: Tensor) -> Tensor:
        """Return the pose of images (B, C, S, S) in [-1, 1]: key points (B, P, 2)."""
        return self.keypoints.find_keypoints(x.to(self.device))

    def draw_pose(self, points: Tensor) -> Tensor:
        """Return pictures (B, 3, S, S) in [-1, 1] of poses (B, P, 2)."""
        _, height, width = self.medium.shape
        return draw_points(points, height, width, self.sigma)

    def portrait(self, shots: Tensor, *, steps: int = 0) -> Callable[[Tensor], Tensor]:
        """Return what draws a person of frames (K, C, S, S) in poses (B, P, 2), see `FewShot`."""
        person = FewShot(self, shots.to(self.device))
        person.train(steps)
        return lambda points: person.draw(self.draw_pose(points.to(self.device)))

    def _unpacked(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the images of a batch, and `_read` of its rows."""
        x, rows = batch.pair()
        return x, *self._read(rows)

    def _read(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return of rows the people (B,), a pose (B, 3, S, S), frames (B, K, C, S, S) and their poses."""
        points, people, frames = self.condition.split(rows)
        poses = self.draw_pose(points.flatten(0, 1)).unflatten(0, points.shape[:2])
        return people, poses[:, 0], frames, poses[:, 1:]

    @property
    def _generator(self) -> PortraitGenerator:
        return cast(PortraitGenerator, self.generator)

    @property
    def _discriminator(self) -> ProjectionDiscriminator:
        return cast(ProjectionDiscriminator, self.discriminator)
