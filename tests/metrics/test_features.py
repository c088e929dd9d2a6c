"""Sets in feature space: which images are kept of large sets, and what no extractor may be given or say."""

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.metrics import features
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.features import extract, kept_every, kept_of

CPU = torch.device("cpu")


class Levels(Extractor):
    """Sees the level of each image, and as logits its negative."""

    name = "levels"
    feature_dim = class_count = 1

    def forward(self, images: Tensor) -> Features:
        level = images[:, :1, 0, 0].float()
        return Features(level, -level)


def images(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def test_of_large_sets_every_nth_image_is_kept() -> None:
    assert [kept_every(total) for total in (0, 1, 50_000, 50_001, 100_000, 100_001)] == [1, 1, 1, 2, 2, 3]
    assert [kept_of(total) for total in (1, 50_000, 50_001, 100_000, 100_001)] == [1, 50_000, 25_001, 50_000, 33_334]


def test_mean_and_covariance_are_of_all_images_and_rows_of_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MOST_FEATURES", 10)
    told: list[int] = []
    # The parts may come in any order; what is kept of them is in the order of the set.
    parts = [(13, images(25)[13:]), (0, images(25)[:13])]
    found = extract(Levels(), parts, 25, CPU, shared=False, labels=torch.arange(25) % 4, advance=told.append)
    assert told == [12, 13]
    assert found.features.flatten().tolist() == list(range(0, 25, 3))
    assert found.logits.equal(-found.features)
    assert found.labels is not None
    assert found.labels.tolist() == [index % 4 for index in range(0, 25, 3)]
    assert found.count == 25
    assert (found.mean.item(), found.covariance.item()) == pytest.approx((12, 25 * 26 / 12))
    assert found.mean.dtype == torch.float64
    assert found.features.dtype == torch.float32
    assert extract(Levels(), parts, 25, CPU, shared=False).labels is None


def test_what_an_extractor_is_not_given_and_must_not_say() -> None:
    for wrong in (images(4).float(), images(4)[0]):
        with pytest.raises(UserError, match="levels takes uint8 images"):
            extract(Levels(), [(0, wrong)], 4, CPU, shared=False)

    class Damaged(Levels):
        def forward(self, images: Tensor) -> Features:
            level, logits = super().forward(images)
            return Features(level.where(level != 6, torch.nan), logits)

    with pytest.raises(UserError, match="the features of image 6 are not finite"):
        extract(Damaged(), [(0, images(4)), (4, images(8)[4:])], 8, CPU, shared=False)
