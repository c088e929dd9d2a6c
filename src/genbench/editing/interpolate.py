"""Interpolate between pairs of random latents (Radford et al. 2016, figure 4; slerp: Shoemake 1985, White 2016).

In the space of StyleGAN's w images change more evenly (Karras et al. 2018, section 4): `editor.space=w`.

Example:
    python -m genbench edit editor=interpolate run=FOLDER count=8 seed=3 editor.path=slerp
"""

from typing import ClassVar, Literal

import torch

from genbench.abilities import HasLatents, HasStyles
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import NEIGHBOUR_L1, strip_medium, strip_result
from genbench.interpolation import PATHS, decode_path, synthesise_path
from genbench.randomness import Noise


class Interpolate(Editor):
    """Decode the latents between two ends, under one condition if the method is conditional.

    The start of interpolation i is sample i of `sample` with the same seed. A result is the strip of all its pictures,
    from left to right.

    Args:
        method: what decodes latents.
        path: from end to end: slerp, along a great circle, or linear.
        steps: pictures of an interpolation, both ends included; at least 2.
        space: of the latents, "z"; or "w", of the styles that they are mapped to.

    Raises:
        ValueError: an argument is out of range, or the method has no styles.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"condition"})
    scores = NEIGHBOUR_L1

    def __init__(
        self,
        method: HasLatents,
        *,
        path: Literal["slerp", "linear"] = "slerp",
        steps: int = 9,
        space: Literal["z", "w"] = "z",
    ) -> None:
        if path not in PATHS:
            raise ValueError(f"path must be one of {', '.join(PATHS)}, not {path!r}")
        if steps < 2:
            raise ValueError(f"steps must be at least 2, both ends, not {steps}")
        if space not in ("z", "w"):
            raise ValueError(f"space must be z or w, not {space!r}")
        if space == "w" and not isinstance(method, HasStyles):
            raise ValueError("space=w takes a method whose latents are mapped to styles, such as stylegan")
        self.method = method
        self.styled = method if space == "w" and isinstance(method, HasStyles) else None
        self.path = PATHS[path]
        self.steps = steps
        self.medium = strip_medium(method.medium, steps)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return strips of pictures between latents from N(0, I)."""
        start, end = (noise.normal(inputs.count, self.method.latent_dim) for _ in range(2))
        t = torch.linspace(0, 1, self.steps)
        if self.styled is None:
            samples = decode_path(self.method, self.path(start, end, t), inputs.condition)
        else:
            one, other = (self.styled.styles(z.to(self.method.device), inputs.condition) for z in (start, end))
            w = self.path(one.flatten(1), other.flatten(1), t).unflatten(2, one.shape[1:])
            samples = synthesise_path(self.styled, w)
        frames = self.method.medium.picture(samples.flatten(0, 1)).unflatten(0, samples.shape[:2])
        return strip_result(frames)
