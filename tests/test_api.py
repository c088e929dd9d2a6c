"""`docs/python.md`, word for word, and what it promises."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench import api
from genbench.__main__ import main
from genbench.errors import UserError
from tests.conftest import Train

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_page_runs_word_for_word(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("steps=2", "data.size=32", network="dcgan")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    capsys.readouterr()
    for block in blocks:
        exec(block.replace("outputs/gan_digits/RUN", str(run)), names)
    printed = capsys.readouterr().out
    assert "2 digits GAN" in printed
    assert "torch.Size([16, 1, 32, 32]) torch.uint8" in printed
    assert "digit classifier" in printed
    assert "torch.Size([8, 1, 32, 32]) torch.Size([4, 1, 32, 32])" in printed


def test_samples_and_scores_are_those_of_the_command_line(train: Train, tmp_path: Path) -> None:
    run = train("steps=2")
    opened = api.open_run(run, "device=cpu")
    assert main(["sample", f"run={run}", "count=5", "seed=3", "device=cpu", f"out={tmp_path / 'drawn'}"]) == 0
    written = [np.array(Image.open(path)) for path in sorted((tmp_path / "drawn" / "images").glob("*.png"))]
    assert torch.equal(api.sample(opened, "count=5", "seed=3")[:, 0], torch.from_numpy(np.stack(written)))
    assert main(["evaluate", f"run={run}", "count=64", "device=cpu", f"out={tmp_path / 'scores.json'}"]) == 0
    found = api.score(opened, "count=64")
    assert f'"fid_digits": {found.values["fid_digits"]!r}' in (tmp_path / "scores.json").read_text()


def test_words_that_do_not_do_are_refused(train: Train) -> None:
    run = train("steps=2")
    opened = api.open_run(run)
    for call, words, said in (
        (api.sample, ["cuont=3"], "no key 'cuont'"),
        (api.sample, ["label=3"], "unconditional"),
        (api.score, ["checkpoint=best"], "is for open_run"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            call(opened, *words)
    with pytest.raises(UserError, match="not a run folder"):
        api.open_run(run / "samples")
