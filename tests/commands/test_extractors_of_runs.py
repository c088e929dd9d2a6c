"""Features of a run that embeds images as the extractor of scores."""

import json
import shutil
from pathlib import Path

import pytest

from genbench.__main__ import main
from tests.commands.small_runs import TINY, run_of


@pytest.mark.parametrize("name", ["vae", "classifier"])
def test_a_run_that_embeds_images_is_an_extractor(
    name: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = Path(shutil.copytree(runs["vae"], tmp_path / "scored"))
    words = [
        "evaluate",
        f"run={scored}",
        "device=cpu",
        "count=64",
        "metrics.scores=[fid,kid]",
        "metrics.kid_subset_size=32",
    ]
    assert main([*words, f"metrics.extractor=run:{runs[name]}"]) == 0
    found = json.loads((scored / "scores.json").read_text())
    (fid,) = [key for key in found["values"] if key.startswith("fid")]
    method = {"vae": "vae", "classifier": "noisy_classifier"}[name]
    assert fid.startswith(f"fid_{method}_")
    assert found["protocol"]["extractor_sha256"].startswith(fid.rpartition("_")[2])
    # Real images are nearer to each other than what was drawn after thirty steps.
    assert found["real_test_images"]["values"][fid] < found["values"][fid]
    # By the run's own classifier it is another score, beside this one.
    assert main(words) == 0
    assert "fid_digits" in json.loads((scored / "scores.json").read_text())["values"]
    for extractor, said in (
        (f"run:{runs['ddpm']}", "lacks the ability to map an image to a feature vector"),
        (f"run:{tmp_path}", "is not a run folder"),
        ("inceptoin", "inception"),
    ):
        capsys.readouterr()
        assert main([*words, f"metrics.extractor={extractor}"]) == 2
        assert said in capsys.readouterr().err


def test_a_run_is_an_extractor_of_scores_in_training_too(runs: dict[str, Path], tmp_path: Path) -> None:
    words = [
        "method=vae",
        *TINY[:-1],
        "network.autoencoder.width=8",
        "method.latent_dim=4",
        "steps=4",
        "metrics.count=64",
    ]
    run = run_of(tmp_path, "scored", *words, f"metrics.extractor=run:{runs['classifier']}", "metrics.scores=[fid]")
    values = json.loads((run / "scores.json").read_text())["values"]
    assert [name for name in values if name.startswith("fid_noisy_classifier_")]
    assert main(["train", f"run={run}", "steps=6"]) == 0
