"""Vector quantisation: each vector of a map becomes the nearest of K codes, and gradients pass straight through.

Van den Oord et al. 2017 (VQ-VAE, https://arxiv.org/abs/1711.00937), Razavi et al. 2019 (codes as moving averages,
https://arxiv.org/abs/1906.00446), Yu et al. 2022 (codes of length 1, https://arxiv.org/abs/2110.04627).

Example:
    >>> quantiser = VectorQuantiser(codes=512, channels=64)
    >>> z_q, codes, loss = quantiser(torch.randn(2, 64, 16, 16))
    >>> z_q.shape, codes.shape
    (torch.Size([2, 64, 16, 16]), torch.Size([2, 16, 16]))
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from genbench.choices import expect_choice
from genbench.distributed import of_the_first, summed

BetaForm = Literal["paper", "taming"]

_USAGE_DECAY = 0.99
"""Of the moving average of how often each code is used, over about a hundred batches."""

_LEAST_COUNT = 1e-3
"""Mean uses of a code in a batch below which its average says nothing of it."""


class Quantised(NamedTuple):
    """A quantised map.

    Attributes:
        z_q: the codes in place of the vectors, (B, D, H, W); its gradient is that of the vectors.
        codes: their numbers, int64 (B, H, W).
        loss: what pulls codes and vectors to each other, a scalar.
    """

    z_q: Tensor
    codes: Tensor
    loss: Tensor


class VectorQuantiser(nn.Module):
    """K codes of D numbers.

    Args:
        codes: K.
        channels: D, the channels of the maps.
        beta: weight of one of the two terms of the loss, as `form` says.
        form: "paper", |sg(z) - e|^2 + beta |z - sg(e)|^2, where beta weighs the commitment of the encoder; or "taming",
            beta |sg(z) - e|^2 + |z - sg(e)|^2, as the published weights of VQGAN were trained.
        decay: of codes that are moving averages of the vectors nearest to them and have no gradient; 0 for codes that
            are learnt by the loss.
        restart_below: uses of a code per batch, on average, below which it is replaced by a vector of the batch; 0 for
            never.
        normalised: whether codes and vectors are compared, and decoded, at length 1.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        codes: int,
        channels: int,
        *,
        beta: float = 0.25,
        form: BetaForm = "paper",
        decay: float = 0.0,
        restart_below: float = 0.0,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        expect_choice("form", form, BetaForm)
        if codes < 1:
            raise ValueError(f"codes must be at least 1, not {codes}")
        if beta < 0 or restart_below < 0:
            raise ValueError(f"beta={beta} and restart_below={restart_below} must be at least 0")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {decay}")
        self.embedding = nn.Embedding(codes, channels)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)
        self.beta = beta
        self.form = form
        self.decay = decay
        self.restart_below = restart_below
        self.normalised = normalised
        # Uses of each code in a batch, at first as if all were used alike by a batch of K vectors.
        self.register_buffer("usage", torch.ones(codes))
        self.usage: Tensor
        if decay:
            self.embedding.weight.requires_grad_(False)
            self.register_buffer("counts", torch.ones(codes))
            self.register_buffer("sums", self.embedding.weight.detach().clone())
            self.counts: Tensor
            self.sums: Tensor
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def table(self) -> Tensor:
        """The codes (K, D), as they are decoded."""
        weight = self.embedding.weight
        return normalize(weight, dim=1) if self.normalised else weight

    def forward(self, z: Tensor) -> Quantised:
        """Quantise a map z (B, D, H, W); in training remember it for `settle`."""
        # In float32: in half precision many codes are equally near.
        with torch.autocast(z.device.type, enabled=False):
            vectors = self._vectors(z.float())
            codes = self._nearest(vectors)
            chosen = self.table[codes]
            if self.training:
                self._seen.append((vectors.detach(), codes))
            loss = self._loss(vectors, chosen)
            straight = vectors + (chosen - vectors).detach()
        count, _, height, width = z.shape
        shaped = straight.view(count, height, width, -1).permute(0, 3, 1, 2)
        return Quantised(shaped, codes.view(count, height, width), loss)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the map (B, D, H, W) of codes (B, H, W).

        Raises:
            ValueError: a code is none of the K.
        """
        if codes.numel() and not (codes.min() >= 0 and codes.max() < len(self.usage)):
            raise ValueError(f"codes must be from 0 to {len(self.usage) - 1}")
        return self.table[codes].permute(0, 3, 1, 2)

    @torch.no_grad()
    def settle(self) -> None:
        """Take in the maps of a step: what codes they used, and, by the settings, move or replace codes.

        Called once after each step of training, in all processes alike.
        """
        if not self._seen:
            return
        vectors, codes = (torch.cat(each) for each in zip(*self._seen, strict=True))
        self._seen.clear()
        used = summed(torch.bincount(codes, minlength=len(self.usage)).to(self.usage))
        self.usage.lerp_(used, 1 - _USAGE_DECAY)
        if self.decay:
            sums = summed(torch.zeros_like(self.sums).index_add_(0, codes, vectors))
            self.counts.lerp_(used, 1 - self.decay)
            self.sums.lerp_(sums, 1 - self.decay)
            # A code that is not used any more keeps its place: both averages fall to zero.
            means = self.sums / self.counts.clamp_min(_LEAST_COUNT)[:, None]
            is_used = (self.counts > _LEAST_COUNT)[:, None]
            self.embedding.weight.copy_(torch.where(is_used, means, self.embedding.weight))
        if self.restart_below:
            self._restart(vectors)

    def _restart(self, vectors: Tensor) -> None:
        """Replace codes that are hardly used by random vectors of this batch."""
        unused = (self.usage < self.restart_below).nonzero()[:, 0]
        if not len(unused):
            return
        places = torch.randint(len(vectors), (len(unused),), device=vectors.device)
        # The same in all processes: those of the first.
        fresh = of_the_first(vectors[places])
        self.embedding.weight[unused] = fresh
        # As if it had been used often enough, so that it has time to be found.
        self.usage[unused] = max(self.restart_below, 1.0)
        if self.decay:
            self.counts[unused] = 1.0
            self.sums[unused] = fresh

    def _vectors(self, z: Tensor) -> Tensor:
        vectors = z.permute(0, 2, 3, 1).flatten(0, 2)
        return normalize(vectors, dim=1) if self.normalised else vectors

    def _nearest(self, vectors: Tensor) -> Tensor:
        """Return the numbers of the codes at the least distance, (N,)."""
        table = self.table.detach()
        distances = table.square().sum(1) - 2 * vectors.detach() @ table.T
        return distances.argmin(1)

    def _loss(self, vectors: Tensor, chosen: Tensor) -> Tensor:
        commitment = mse_loss(vectors, chosen.detach())
        if self.decay:
            return self.beta * commitment if self.form == "paper" else commitment
        codebook = mse_loss(chosen, vectors.detach())
        return codebook + self.beta * commitment if self.form == "paper" else self.beta * codebook + commitment
