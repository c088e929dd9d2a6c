"""Random smooth warps of images and of places in them: an affine map and a thin-plate spline (Bookstein 1989).

As key points are trained to follow them (Siarohin et al. 2019, https://arxiv.org/abs/2003.00196, section 3.1):

    T(z) = A (z, 1) + sum_j w_j U(|z - c_j|),    U(r) = r^2 log r,    A = I + affine N(0, 1),    w_j ~ spline N(0, 1)

where c_j are a grid of control points, distances are L1 as in the authors' code, and both coordinates move alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

_TINY = 1e-6


@dataclass(frozen=True)
class ThinPlate:
    """A warp of each image of a batch.

    Attributes:
        affine: matrices A, (B, 2, 3).
        weights: w of the control points, (B, N * N), on a grid of N by N over [-1, 1].
    """

    affine: Tensor
    weights: Tensor

    @classmethod
    def draw(cls, count: int, device: torch.device, *, affine: float, spline: float, control: int = 5) -> "ThinPlate":
        """Return random warps; with deviations 0 they leave everything where it is.

        Args:
            count: images.
            device: of the warps.
            affine: deviation of A from the identity.
            spline: deviation of w.
            control: points in a row of the grid.
        """
        identity = torch.eye(2, 3, device=device)
        matrices = identity + affine * torch.randn(count, 2, 3, device=device)
        return cls(matrices, spline * torch.randn(count, control**2, device=device))

    def places(self, z: Tensor) -> Tensor:
        """Return T(z) of places z (B, N, 2), (x, y) in [-1, 1] from edge to edge of the image."""
        moved = z @ self.affine[:, :, :2].transpose(1, 2) + self.affine[:, None, :, 2]
        steps = torch.linspace(-1, 1, round(self.weights.shape[1] ** 0.5), device=z.device)
        control = torch.cartesian_prod(steps, steps).flip(1)
        r = (z[:, :, None] - control).abs().sum(-1)
        bent = (r.square() * (r + _TINY).log() * self.weights[:, None]).sum(-1, keepdim=True)
        return moved + bent

    def images(self, x: Tensor) -> Tensor:
        """Return images (B, C, H, W) whose pixel at z is that of x at T(z); what comes in is x's reflection."""
        height, width = x.shape[-2:]
        y_axis, x_axis = ((torch.arange(side, device=x.device) + 0.5) * (2 / side) - 1 for side in (height, width))
        grid = torch.cartesian_prod(y_axis, x_axis).flip(1).expand(len(x), -1, -1)
        places = self.places(grid).view(len(x), height, width, 2).to(x)
        return grid_sample(x, places, mode="bilinear", padding_mode="reflection", align_corners=False)
