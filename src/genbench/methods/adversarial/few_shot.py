"""Few-shot learning of a new person: a talking-head model that is trained further on K frames (Zakharov et al. 2019).

https://arxiv.org/abs/1905.08233, section 3.3. The embedder is needed once; then the person's styles and the person's
row of the discriminator are parameters themselves, and begin with what the embedding says:

    e = 1/K sum_k E(x_k, y_k),    psi' = P e,    w' = w_0 + e
    L_D = E max(0, 1 - D'(x, y)) + E max(0, 1 + D'(G'(y, psi'), y)),    D'(x, y) = V(x, y)' w' + b
    L_G = the content and adversarial loss of training, without the match term

over all K frames in each step, so that nothing is random. The model itself is left as it is.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.losses import make_objective
from genbench.methods.averaging import AveragedNetwork
from genbench.methods.optimisation import Loss
from genbench.networks.talking_heads import PortraitGenerator, ProjectionDiscriminator

_HINGE = make_objective("hinge")


class Learns(Protocol):
    """What is asked of `TalkingHeads`, which says what each part is."""

    average: AveragedNetwork
    discriminator: nn.Module
    discriminator_steps: int

    def find_keypoints(self, x: Tensor) -> Tensor:
        """Return the poses of images."""

    def draw_pose(self, points: Tensor) -> Tensor:
        """Return pictures of poses."""

    def likeness(
        self, discriminator: ProjectionDiscriminator, x: Tensor, x_fake: Tensor, pose: Tensor, w: Tensor
    ) -> Loss:
        """Return the content and the adversarial loss, with their terms."""

    def make_optimizer(self, name: str, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return an optimizer with the settings of that of a declared network."""


class FewShot:
    """A person, by frames: what draws this person in other poses.

    Args:
        method: whose averaged generator and whose discriminator it begins with.
        shots: frames of the person (K, C, S, S) in [-1, 1].

    Attributes:
        psi: the styles, (1, N).
        w: of the discriminator, (1, D).
    """

    def __init__(self, method: Learns, shots: Tensor) -> None:
        self._method = method
        self.shots = shots
        self.poses = method.draw_pose(method.find_keypoints(shots))
        self._generator = cast(PortraitGenerator, method.average.module)
        discriminator = cast(ProjectionDiscriminator, method.discriminator)
        with torch.no_grad():
            e = self._generator.embed(shots[None], self.poses[None])
            self.psi = self._generator.styles(e)
            self.w = discriminator.common + e

    def train(self, steps: int) -> None:
        """Train copies of both networks on the frames, so many steps, with the optimizers of the method's settings."""
        if not steps:
            return
        generator = deepcopy(self._generator).requires_grad_(True).train()
        discriminator = deepcopy(cast(ProjectionDiscriminator, self._method.discriminator)).requires_grad_(True).train()
        psi, w = nn.Parameter(self.psi.clone()), nn.Parameter(self.w.clone())
        # The embedder, P, W and w_0 have done their part.
        drawn = [psi, *generator.drawer.parameters()]
        kept = (discriminator.people.weight, discriminator.common)
        scored = [w, *(each for each in discriminator.parameters() if all(each is not other for other in kept))]
        optimizers = (
            self._method.make_optimizer("generator", drawn),
            self._method.make_optimizer("discriminator", scored),
        )
        with torch.enable_grad():
            for _ in range(steps):
                self._step(generator, discriminator, psi, w, *optimizers)
        self._generator = generator.eval()
        self.psi, self.w = psi.detach(), w.detach()

    @torch.no_grad()
    def draw(self, poses: Tensor) -> Tensor:
        """Return the person (B, C, S, S) in poses (B, 3, S, S)."""
        return self._generator.draw(poses, self.psi.expand(len(poses), -1))

    def _step(
        self,
        generator: PortraitGenerator,
        discriminator: ProjectionDiscriminator,
        psi: Tensor,
        w: Tensor,
        generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
    ) -> None:
        """Take as many steps of the discriminator as in training, then one of the generator."""
        x, y, count = self.shots, self.poses, len(self.shots)
        for _ in range(self._method.discriminator_steps):
            with torch.no_grad():
                x_fake = generator.draw(y, psi.expand(count, -1))
            (real, _), (fake, _) = (discriminator(images, y, w) for images in (x, x_fake))
            _minimise(_HINGE.discriminator(real, fake), discriminator_optimizer)
        x_fake = generator.draw(y, psi.expand(count, -1))
        _minimise(self._method.likeness(discriminator, x, x_fake, y, w)[0], generator_optimizer)


def _minimise(loss: Tensor, optimizer: Optimizer) -> None:
    # Gradients that a loss leaves in the other network are cleared before that one's step.
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
