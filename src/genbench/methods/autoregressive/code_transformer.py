"""The prior of VQGAN: a transformer that draws codes one after the other (Esser et al. 2021, section 3.2).

https://arxiv.org/abs/2012.09841. A frozen first stage makes of an image a map of codes s, read row by row; a condition
c precedes it as tokens, and the likelihood factorises:

    L = -E log p(s | c) = -E sum_i log p(s_i | s_<i, c)

Codes are drawn in turn, and the first stage makes an image of them. Larger maps than those of training are drawn with a
window that slides over them (section 3.2, "high-resolution images").

Example:
    python -m genbench experiment=vqgan_transformer_scenes parts.first_stage=RUN
"""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genbench.abilities import Codes
from genbench.batch import Batch
from genbench.conditions.base import Condition, Index, Tokens
from genbench.conditions.choosing import chosen
from genbench.medium import Medium
from genbench.methods.base import GenerativeMethod
from genbench.methods.encoding_once import EncodesOnce
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.gpt import GPT, Cache
from genbench.parts import Frozen
from genbench.randomness import Noise


class CodeTransformer(GenerativeMethod, EncodesOnce):
    """Draw images as sequences of codes.

    Args:
        transformer: builds the network from `inputs`, `outputs` and `length`, see `GPT`.
        medium: what a sample is; images.
        condition: of the data; None if it has none.
        first_stage: maps images to codes and back.
        optimizer: maps parameters to an optimizer.
        latents_in: folder in which codes of training images are kept; None to encode each batch.
        conditional: whether codes are conditioned on the data's classes or captions.
        condition_dropout: fraction of training images whose condition is replaced by the null condition.
        guidance: classifier-free guidance scale w, of logits; 0 for none.
        random_codes: fraction of the codes given to the network in training that random ones replace.
        top_k: the most probable codes, among which one is drawn; 0 for all.
        top_p: fewer of them, whose probabilities add up to this; 1 for all.
        temperature: logits are divided by it.
        clip: largest norm of the gradient; 0 for no clipping.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, the first stage is of other images, or the condition is neither classes
            nor captions.
    """

    encoder = "first_stage"
    encodes_to = "codes"
    code_likelihood = "exact, of the codes of images"

    def __init__(
        self,
        transformer: Callable[..., GPT],
        medium: Medium,
        condition: Condition | None = None,
        *,
        first_stage: Frozen[Codes],
        optimizer: MakeOptimizer,
        latents_in: str | None = "data/latents",
        conditional: bool = False,
        condition_dropout: float = 0.0,
        guidance: float = 0.0,
        random_codes: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        temperature: float = 1.0,
        clip: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(clip=clip, **settings)
        self.check_images(first_stage.medium, medium)
        if not (0 <= condition_dropout < 1 and 0 <= random_codes < 1 and 0 < top_p <= 1):
            raise ValueError(
                f"condition_dropout={condition_dropout} and random_codes={random_codes} must be in [0, 1), and "
                f"top_p={top_p} in (0, 1]"
            )
        if top_k < 0 or temperature <= 0 or guidance < 0:
            raise ValueError(
                f"top_k={top_k} and guidance={guidance} must be at least 0, and temperature={temperature} positive"
            )
        if guidance and not (conditional and condition_dropout):
            raise ValueError("guidance takes conditional=true, and a training with condition_dropout above 0")
        self.medium = medium
        self.condition = chosen(conditional, condition)
        self.first_stage = first_stage
        self.latents_in = latents_in
        _, self.height, self.width = first_stage.latent_shape
        self.codes = first_stage.codes
        kinds, length = _prefix_of(self.condition)
        self.prefix_length = length
        self.transformer = transformer(
            inputs=self.codes + kinds, outputs=self.codes, length=length + self.height * self.width
        )
        self.average = self.averaged(self.transformer)
        self.condition_dropout = condition_dropout
        self.guidance = guidance
        self.random_codes = random_codes
        self.top_k = top_k
        self.top_p = top_p
        self.temperature = temperature
        self.optimise("transformer", self.transformer, optimizer, average=self.average)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("transformer", self.loss, batch)
        return self.finish_step()

    def encode(self, x: Tensor) -> Tensor:
        """Return codes int64 (B, S', S') of images."""
        return self.first_stage.encode_codes(x)

    def loss(self, batch: Batch) -> Loss:
        """Return the mean negative log-likelihood of a code, in nats, and in bits."""
        codes = self.latents_of(batch.x).flatten(1)
        prefix = self.prefix(self.condition_of(batch), len(codes))
        if self.condition_dropout and self.condition is not None:
            dropped = torch.rand(len(codes), 1, device=codes.device) < self.condition_dropout
            prefix = torch.where(dropped, self.prefix(None, len(codes)), prefix)
        given = codes
        if self.random_codes:
            is_random = torch.rand(codes.shape, device=codes.device) < self.random_codes
            given = torch.where(is_random, torch.randint_like(codes, self.codes), codes)
        nats = self.nats(self.transformer, prefix, given, codes).mean()
        return nats, {"loss/bits_per_code": nats.detach() / math.log(2)}

    def nats(self, network: Callable[[Tensor], Tensor], prefix: Tensor, given: Tensor, codes: Tensor) -> Tensor:
        """Return -log p of each code (B, N), by a network that is given a prefix and the codes before it."""
        logits = network(torch.cat([prefix, given[:, :-1]], dim=1))[:, self.prefix_length - 1 :]
        return cross_entropy(logits.float().transpose(1, 2), codes, reduction="none")

    def prefix(self, rows: Tensor | None, count: int) -> Tensor:
        """Return the tokens (count, P) that precede the codes, of rows of the condition; None for the null condition.

        They follow the codes in the vocabulary. Without a condition it is one token that begins every image.
        """
        if self.condition is None:
            rows = torch.zeros(count, dtype=torch.int64, device=self.device)
        elif rows is None:
            rows = self.condition.null(count).to(self.device)
        return self.codes + rows.long().view(count, -1)

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) in [-1, 1] of codes that the averaged network draws.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
        """
        rows = self.check_condition(condition, count)
        return self.first_stage.decode_codes(self.sample_codes(count, rows, noise=noise))

    @torch.no_grad()
    def sample_codes(self, count: int, rows: Tensor | None, *, noise: Noise) -> Tensor:
        """Return codes int64 (count, S', S'), of rows of the condition."""
        given = self._prefixes(rows, count)
        caches = [Cache() for _ in given]
        drawn: list[Tensor] = []
        for _ in range(self.height * self.width):
            each = [self._network(tokens, cache)[:, -1] for tokens, cache in zip(given, caches, strict=True)]
            logits = self._guided(each)
            drawn.append(self.pick(logits, noise.uniform(count).to(logits)))
            given = [drawn[-1][:, None]] * len(caches)
        return torch.stack(drawn, dim=1).view(count, self.height, self.width)

    @torch.no_grad()
    def sample_larger(
        self, count: int, height: int, width: int, condition: Tensor | None = None, *, noise: Noise
    ) -> Tensor:
        """Return images of height x width codes, drawn with a window of the training size that slides over them.

        Each code is drawn given those before it in the window that has it nearest to its middle.

        Raises:
            ValueError: the size is smaller than that of training, or the condition is missing or invalid.
        """
        if height < self.height or width < self.width:
            raise ValueError(f"{height} x {width} codes are smaller than the {self.height} x {self.width} of an image")
        prefixes = self._prefixes(self.check_condition(condition, count), count)
        codes = torch.zeros(count, height, width, dtype=torch.int64, device=self.device)
        for place in range(height * width):
            row, column = divmod(place, width)
            top = min(max(row - self.height // 2, 0), height - self.height)
            left = min(max(column - self.width // 2, 0), width - self.width)
            window = codes[:, top : top + self.height, left : left + self.width].flatten(1)
            before = window[:, : (row - top) * self.width + column - left]
            logits = self._guided([self._network(torch.cat([each, before], dim=1))[:, -1] for each in prefixes])
            codes[:, row, column] = self.pick(logits, noise.uniform(count).to(logits))
        return self.first_stage.decode_codes(codes)

    @torch.no_grad()
    def bits_per_code(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return -log2 p of a code, the mean over those of each image (B, C, H, W), (B,); see `HasCodeLikelihood`."""
        codes = self.encode(x.to(self.device)).flatten(1)
        prefix = self.prefix(self.check_condition(condition, len(x)), len(x))
        return self.nats(self._network, prefix, codes, codes).mean(1) / math.log(2)

    def pick(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """Return codes (B,) drawn by logits (B, K), one for each number of [0, 1)."""
        # Below the largest, so that it stays 0, however low the temperature; a denormal one would be 0 itself.
        below = logits.float() - logits.float().amax(1, keepdim=True)
        probabilities = filtered(below / max(self.temperature, 1e-30), self.top_k, self.top_p).softmax(1)
        # The first code at which the sum of the probabilities exceeds the number.
        sums = probabilities.double().cumsum(1)
        picked = torch.searchsorted(sums, (uniform.double() * sums[:, -1])[:, None], right=True)[:, 0]
        # Rounding may lead one beyond the last code that is possible.
        possible = (probabilities > 0).long() * torch.arange(self.codes, device=logits.device)
        return torch.minimum(picked, possible.amax(1))

    @property
    def _network(self) -> GPT:
        return cast(GPT, self.average.module)

    def _prefixes(self, rows: Tensor | None, count: int) -> list[Tensor]:
        """Return the prefix of rows of the condition and, for guidance, that of the null condition."""
        own = self.prefix(rows, count)
        return [own, self.prefix(None, count)] if self.guidance else [own]

    def _guided(self, logits: list[Tensor]) -> Tensor:
        """Return logits, extrapolated from the unconditional through the conditional ones if there are both."""
        conditional, *unconditional = logits
        return conditional + self.guidance * (conditional - unconditional[0]) if unconditional else conditional


def filtered(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Return logits (B, K) with -inf in the place of all but the most probable ones.

    Args:
        logits: of K codes.
        top_k: how many are kept; 0 for all.
        top_p: of these the fewest whose probabilities add up to so much (Holtzman et al. 2020); 1 for all.
    """
    if 0 < top_k < logits.shape[1]:
        # By their places: of equal ones no more are kept.
        is_kept = torch.zeros_like(logits, dtype=torch.bool).scatter(1, logits.topk(top_k, dim=1).indices, True)
        logits = logits.masked_fill(~is_kept, -torch.inf)
    if top_p < 1:
        ordered, places = logits.sort(dim=1, descending=True)
        probabilities = ordered.softmax(1)
        # What is before it has the whole of top_p already.
        is_left_out = probabilities.cumsum(1) - probabilities >= top_p
        logits = logits.masked_fill(is_left_out.scatter(1, places, is_left_out), -torch.inf)
    return logits


def _prefix_of(condition: Condition | None) -> tuple[int, int]:
    """Return how many different tokens a condition has, and how many of them precede an image.

    Raises:
        ValueError: it is neither of classes nor of captions.
    """
    if condition is None:
        return 1, 1
    match condition.form:
        case Index(size):
            return size + 1, 1
        case Tokens(vocabulary, length):
            return vocabulary, length
    raise ValueError("a transformer of codes takes classes or captions as its condition: set conditional=false")
