"""The picture of a set: a table where each source has several samples, else a grid."""

import torch

from genbench.conditions.base import Conditions
from genbench.conditions.classes import Classes
from genbench.conditions.source_images import SourceImages
from genbench.conditions.target_domain import TargetDomain
from genbench.figures.captions import under_conditions, with_captions
from genbench.figures.grid import make_grid
from genbench.figures.samples import picture_of

CONDITION = TargetDomain(Classes(["a", "b", "c"]), (3, 64, 64))
SOURCES = torch.tensor([10, 90, 250], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 64, 64).contiguous()


def test_a_row_begins_with_the_source_and_all_domains_follow() -> None:
    rows = CONDITION.of_sources(SOURCES)
    samples = torch.randint(256, (9, 3, 64, 64)).to(torch.uint8)
    cells, captions = [], []
    for index in range(3):
        cells += [SOURCES[index : index + 1], samples[3 * index : 3 * index + 3]]
        captions += ["", "0: a", "1: b", "2: c"]
    expected = make_grid(with_captions(torch.cat(cells), captions), 4)
    assert torch.equal(picture_of(samples, Conditions(CONDITION, rows)), expected)
    # The last row may be cut.
    cut = make_grid(with_captions(torch.cat([*cells[:5], samples[6:8]]), captions[:-1]), 4)
    assert torch.equal(picture_of(samples[:8], Conditions(CONDITION, rows[:8])), cut)


def test_grey_sources_of_another_size_are_made_alike() -> None:
    sources = torch.tensor([10, 10, 90, 90], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 32, 32)
    conditions = Conditions(SourceImages((1, 32, 32)), sources)
    shown = picture_of(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), conditions)
    assert shown.shape == (3, 2 * 66 + 2, 3 * 66 + 2)


def test_sources_that_differ_are_beside_their_samples() -> None:
    for places in ([0, 1, 2], [0, 0, 1, 2], [0] * 20, [0, 1, 1]):
        sources = SOURCES[places]
        samples = torch.randint(256, (len(places), 3, 64, 64)).to(torch.uint8)
        conditions = Conditions(SourceImages((3, 64, 64)), sources)
        assert torch.equal(picture_of(samples, conditions), make_grid(under_conditions(samples, conditions)))
    assert torch.equal(picture_of(SOURCES, None), make_grid(SOURCES))
