"""Run folders that an earlier version made, before methods were grouped by families, do all that today's do.

`earlier/` holds three that revision 2f9fd6f made, four steps each, and what `sample count=4 seed=3` drew from them.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main

EARLIER = Path(__file__).with_name("earlier")


@pytest.fixture(params=["gan", "ddpm", "pix2pix"])
def earlier(request: pytest.FixtureRequest) -> str:
    """Copy a run folder, and the data that one of them names, into the working folder."""
    name: str = request.param
    shutil.copytree(EARLIER / name, name)
    shutil.copytree(EARLIER / "pairs", "pairs")
    return name


def test_it_draws_what_it_drew(earlier: str) -> None:
    assert main(["sample", f"run={earlier}", "count=4", "seed=3", "out=drawn", "device=cpu"]) == 0
    for index in range(4):
        now, then = (
            np.asarray(Image.open(folder / "images" / f"{index:06d}.png"), dtype=int)
            for folder in (Path("drawn"), EARLIER / f"drawn_{earlier}")
        )
        # Another processor may round the other way.
        assert np.abs(now - then).max() <= 1


def test_it_trains_on_scores_and_reports(earlier: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"run={earlier}", "steps=6"]) == 0
    assert "trained 6 steps" in capsys.readouterr().out
    if earlier != "pix2pix":
        assert main(["evaluate", f"run={earlier}", "device=cpu"]) == 0
        assert "fid_digits" in capsys.readouterr().out
    assert main(["report", f"runs={earlier}", "out=page"]) == 0
    assert earlier in Path("page/index.html").read_text()


@pytest.mark.parametrize("count", [3, 5])
def test_it_knows_what_was_drawn_from_it(earlier: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = Path(earlier) / "samples" / "last_step4_seed3"
    shutil.copytree(EARLIER / f"drawn_{earlier}", drawn)
    before = {path.name: path.read_bytes() for path in sorted((drawn / "images").iterdir())}
    assert main(["sample", f"run={earlier}", f"count={count}", "seed=3", "device=cpu"]) == 0
    said = capsys.readouterr().out
    # More go on with the set, fewer get a folder of their own.
    folder = drawn if count == 5 else drawn.with_name("last_step4_seed3_first3")
    assert str(folder) in said
    assert len(list((folder / "images").iterdir())) == count
    if count == 3:
        assert {path.name: path.read_bytes() for path in sorted((drawn / "images").iterdir())} == before
