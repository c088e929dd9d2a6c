"""The studies' scripts run on small runs and write their figure and their table."""

import csv
import json
import runpy
import statistics
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from genbench import api
from genbench.__main__ import main
from tests.commands.test_adversarial_family import METHODS, SMALL
from tests.commands.test_denoising_family import train as train_denoising
from tests.conftest import Train
from tests.data.test_emoji import make_package
from tests.warm import run_warm

STUDIES = Path(__file__).parents[1] / "experiments"


def run_study(script: str, *arguments: object) -> str:
    done = run_warm([STUDIES / script, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_vanishing_gradients(train: Train, tmp_path: Path) -> None:
    run = train("steps=90", "callbacks.checkpoints.keep=45", network="dcgan")
    out = tmp_path / "out"
    run_study("vanishing_gradients/study.py", run, "--epochs", 1, 2, "--steps", 4, "--every", 2, "--out", out)
    rows = table(out / "gradients.csv")
    assert {row["objective"] for row in rows} == {"minimax", "non_saturating", "wasserstein"}
    assert [int(row["discriminator_steps"]) for row in rows[::2][:3]] == [0, 2, 4]
    assert all(float(row["gradient"]) > 0 for row in rows)
    assert (out / "gradients.png").is_file()


def test_wasserstein_curve(tmp_path: Path) -> None:
    for name, sign in (("wgan", 1), ("gan", -1)):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "metrics.csv").open("w") as file:
            file.write("step,adversary/wasserstein,loss/generator,loss/discriminator,score/fid_digits\n")
            for step in range(250, 5000, 250):
                value = sign * (10 - step / 1000)
                file.write(
                    f"{step - 50},{value + 1},{value},{-value},\n{step},{value - 1},{value},{-value},{100000 / step}\n"
                )
    said = run_study("wasserstein_curve/study.py", tmp_path / "wgan", tmp_path / "gan", "--out", tmp_path / "out")
    assert "estimate of the distance: rank correlation with fid_digits +1.00" in said
    assert "generator loss: rank correlation with fid_digits -1.00" in said
    # Each score stands beside the mean since the last one.
    first = table(tmp_path / "out" / "curves.csv")[0]
    assert (float(first["step"]), float(first["figure"])) == (750, 9.25)


def test_latent_interpolation(train: Train, tmp_path: Path) -> None:
    run = train("steps=2")
    assert main([*METHODS["cgan"], *SMALL, f"output={tmp_path}", "name=cgan", "steps=1"]) == 0
    (cgan,) = (tmp_path / "cgan").iterdir()
    out = tmp_path / "out"
    run_study("latent_interpolation/study.py", run, cgan, "--walks", 2, "--steps", 5, "--out", out)
    rows = table(out / "walks.csv")
    assert [(row["method"], row["path"]) for row in rows] == [
        (name, path) for name in ("gan", "cgan") for path in ("linear", "spherical")
    ]
    assert float(rows[2]["shortest_latent"]) < float(rows[3]["shortest_latent"])
    assert {path.name for path in out.iterdir()} == {"walks.csv", "gan.png", "gan.gif", "cgan.png", "cgan.gif"}


def test_what_l1_does(tmp_path: Path) -> None:
    for name, setting in (("l1", "method.adversarial_weight=0"), ("both", "method.l1_weight=100")):
        assert main([*METHODS["pix2pix"], *SMALL, setting, f"output={tmp_path}", f"name={name}", "steps=1"]) == 0
    runs = [next((tmp_path / name).iterdir()) for name in ("l1", "both")]
    run_study("what_l1_does/study.py", *runs, "--count", 40, "--out", tmp_path / "out")
    rows = {row["images"]: row for row in table(tmp_path / "out" / "scores.csv")}
    assert float(rows["targets themselves"]["mae"]) == 0
    assert float(rows["targets themselves"]["target_agreement"]) == 1
    assert float(rows["sources themselves"]["mae"]) > 0.1
    assert float(rows["l1"]["spread"]) >= 0
    assert (tmp_path / "out" / "translations.png").is_file()


def test_mode_collapse_on_digits(tmp_path: Path) -> None:
    for method in ("gan", "wgan_gp"):
        assert main([*METHODS[method], *SMALL, "data.size=16", f"output={tmp_path}", f"name={method}", "steps=1"]) == 0
    runs = [next((tmp_path / name).iterdir()) for name in ("gan", "wgan_gp")]
    run_study("mode_collapse/digits.py", *runs, "--count", 40, "--out", tmp_path / "out")
    rows = table(tmp_path / "out" / "digits.csv")
    assert [row["method"] for row in rows] == ["non_saturating, DCGANGenerator", "WGANGP, DCGANGenerator"]


@pytest.fixture(scope="module")
def toys() -> dict[str, Callable[..., object]]:
    return runpy.run_path(str(STUDIES / "mode_collapse" / "toys.py"))


def test_toys_are_scored_by_the_modes_that_they_fill(toys: dict[str, Callable[..., object]]) -> None:
    find_modes, draw = toys["find_modes"], toys["draw"]
    torch.manual_seed(0)
    for target, count in (("ring of 8", 8), ("grid of 25", 25)):
        found = find_modes(draw(target, 20000).flatten(1), target)  # type: ignore[attr-defined]
        assert found["modes"] == count  # type: ignore[index]
        # Within three deviations lie 1 - exp(-9 / 2) of a Gaussian of the plane.
        assert found["good"] == pytest.approx(0.98889, abs=0.003)  # type: ignore[index]
        assert found["kl"] < 0.005  # type: ignore[index]
    one = find_modes(torch.tensor([[0.8, 0.0]]).repeat(100, 1), "ring of 8")
    assert (one["modes"], one["good"]) == (1, 1)  # type: ignore[index]
    assert one["kl"] == pytest.approx(2.0794, abs=1e-4)  # type: ignore[index]  # log 8
    nothing = find_modes(torch.zeros(10, 2), "ring of 8")
    assert (nothing["modes"], nothing["good"]) == (0, 0)  # type: ignore[index]


def test_every_toy_method_trains(toys: dict[str, Callable[..., object]]) -> None:
    for name in toys["METHODS"]:  # type: ignore[attr-defined]
        row, points = toys["train"](("grid of 25", name, 0, 6))  # type: ignore[misc]
        assert (row["objective"], row["steps"]) == (name, 6)
        assert points.shape == (2500, 2)
        assert points.isfinite().all()


def test_forward_process(tmp_path: Path) -> None:
    run_study("forward_process/study.py", "data.size=16", "--out", tmp_path)
    rows = table(tmp_path / "snr.csv")
    assert len({row["process"] for row in rows}) == 7
    for first, second in pairwise(rows):
        # The image is lost, never regained.
        assert first["process"] != second["process"] or float(second["snr_db"]) < float(first["snr_db"])
    assert (tmp_path / "dissolving.png").is_file()


def test_sampling_speed(tmp_path: Path) -> None:
    run = train_denoising(tmp_path, "ddpm", "run", "steps=2")
    run_study("sampling_speed/study.py", run, "--count", 20, "--longest", 10, "--out", tmp_path)
    rows = {(row["sampler"], row["setting"]): row for row in table(tmp_path / "speed.csv")}
    assert float(rows["ddim", "5"]["calls"]) == 5
    assert float(rows["heun", "10"]["calls"]) == 19
    assert float(rows["probability_flow", "0.001"]["calls"]) > float(rows["probability_flow", "0.1"]["calls"])
    assert all(float(row["fid_digits"]) > 0 for row in rows.values())
    assert (tmp_path / "speed.png").is_file()


def test_denoising_as_vae(tmp_path: Path) -> None:
    runs = [train_denoising(tmp_path, method, method, "steps=2") for method in ("vae", "improved_ddpm", "score_sde")]
    run_study("denoising_as_vae/study.py", *runs, "--count", 30, "--out", tmp_path)
    rows = table(tmp_path / "bits.csv")
    assert [row["method"] for row in rows] == ["vae", "improved_ddpm", "score_sde"]
    parts = [float(rows[1][name]) for name in ("decoder", "steps", "prior")]
    assert sum(parts) == pytest.approx(float(rows[1]["bits_per_dim"]), rel=0.01)
    assert all(0 < float(row["bits_per_dim"]) < 30 for row in rows)


def test_trilemma(train: Train, tmp_path: Path) -> None:
    runs = [
        train("steps=3", "data.size=8", name="gan_x"),
        *(train_denoising(tmp_path, method, f"{method}_x", "steps=3") for method in ("ddgan", "ddpm", "vae")),
    ]
    run_study("trilemma/study.py", *runs, "--count", 20, "--likelihood", 0, "--out", tmp_path)
    rows = {row["run"]: row for row in table(tmp_path / "trilemma.csv")}
    assert {name: row["calls"] for name, row in rows.items()} == {
        "gan_x": "1",
        "ddgan_x": "4",
        "ddpm_x": "3",
        "vae_x": "1",
    }
    assert float(rows["ddpm_x"]["sample_gflops"]) > 0
    assert float(rows["ddpm_x"]["training_tflops"]) > 0
    assert all(0 <= float(row[name]) <= 1 for row in rows.values() for name in ("precision", "recall"))
    assert (tmp_path / "trilemma.png").is_file()


def test_seeds(train: Train, tmp_path: Path) -> None:
    runs = [train("steps=2", "callbacks.scores.every=2", f"seed={seed}", name="seeds") for seed in (0, 1)]
    train("steps=2", "callbacks.scores.every=2", name="alone")
    assert "2 runs of 1 experiments" in run_study("seeds/study.py", tmp_path / "*", "--out", tmp_path / "out")
    (row,) = table(tmp_path / "out" / "seeds.csv")
    values = [json.loads((run / "scores.json").read_text())["values"]["fid_digits"] for run in runs]
    assert float(row["mean"]) == pytest.approx(statistics.fmean(values), rel=1e-3)
    assert float(row["deviation"]) == pytest.approx(statistics.stdev(values), rel=1e-2)
    assert (tmp_path / "out" / "seeds.png").is_file()


def test_conventions(tmp_path: Path) -> None:
    tiny = ["data.size=8", "data.batch_size=32", "steps=2", f"output={tmp_path}"]
    quiet = [f"callbacks.{name}=null" for name in ("grid", "nearest", "scores")]
    unet = ["network.denoiser.width=8", "network.denoiser.multipliers=[1,2]", "network.denoiser.attention=[]"]
    quick = ["steps=30", "method.ema_decay=0.5"]
    assert main(["experiment=ddpm_digits", *tiny, *quiet, *unet, *quick, "name=base"]) == 0
    (base,) = (tmp_path / "base").iterdir()
    classifier = ["network.classifier.width=8", "name=classifier"]
    assert main(["experiment=noisy_classifier_digits", *tiny, *quiet, *classifier]) == 0
    parts = [f"parts.denoiser={base}", f"parts.classifier={next((tmp_path / 'classifier').iterdir())}"]
    assert main(["experiment=guided_digits", "data.size=8", *parts, f"output={tmp_path}", "name=guided"]) == 0
    (guided,) = (tmp_path / "guided").iterdir()
    options = ["--guided", guided, "--trained", base, "--count", 20, "--calls", 4, "--scales", 1]
    run_study("conventions/study.py", base, *options, "--out", tmp_path / "out")
    rows = table(tmp_path / "out" / "conventions.csv")
    assert len(rows) == 4 * 2 + 2 + 3 * 3 + 2 * 2
    scores = {(row["what"], row["setting"], row["sampler"]): float(row["fid_digits"]) for row in rows}
    # A run that is opened as it was trained, by the way of the others, and by name.
    own, other = "the network's conventions", "padding"
    assert scores[own, "as trained", "ddim"] == scores["trained", "base", "ddim"] == scores["clamp", "static", "ddim"]
    assert scores[own, other, "ddim"] != scores[own, "as trained", "ddim"]
    assert scores["clamp", "none", "ddim"] != scores["clamp", "static", "ddim"]
    assert all(row["agreement_digits"] for row in rows[-4:])


def test_zero_shot(tmp_path: Path) -> None:
    small = ["network.image_tower.width=8", "network.text_tower.width=8", "steps=1", f"output={tmp_path}"]
    small += ["method.schedule.warmup_steps=0", "data.batch_size=16"]
    for count in (20, 30):
        scenes = ["experiment=clip_scenes", f"data.count={count}", "data.held_out=120", f"name=scenes{count}"]
        assert main([*scenes, *small]) == 0
    digits = ["method=clip", "data=digits", "data.size=16", "data.captions=the digit {}", "name=digits"]
    assert main([*digits, *small]) == 0
    (labelled,) = (tmp_path / "digits").iterdir()
    out = tmp_path / "out"
    runs = [next((tmp_path / f"scenes{count}").iterdir()) for count in (30, 20)]
    run_study("zero_shot/study.py", *runs, "--prompts", labelled, "--templates", "digit {}", "the {}", "--out", out)
    pairs = table(out / "pairs.csv")
    assert [row["pairs"] for row in pairs] == ["20", "30"]
    assert all(0 <= float(row["zero_shot_pair_unseen"]) <= 1 for row in pairs)
    assert (out / "pairs.png").is_file()
    rows = table(out / "prompts.csv")
    assert [(row["prompts"], row["last template"]) for row in rows] == [
        ("one", "digit {}"),
        ("one", "the {}"),
        ("ensemble", "the {}"),
    ]


def test_text_inpainting(tmp_path: Path) -> None:
    words = [
        "data=scenes", "data.count=40", "data.held_out=24", "data.batch_size=8", "metrics=none", "steps=1",
        "network=unet_small", "network.denoiser.width=8", "network.denoiser.multipliers=[1]",
        "network.denoiser.patch=4", "method.conditional=true", "method.process.steps=20",
        "method.process.schedule=cosine", "sampler=ddim", "sampler.steps=2", "callbacks.grid=null",
        "callbacks.nearest=null", "callbacks.scores=null", "trainer.accelerator=cpu",
    ]  # fmt: skip
    for name, method in (
        ("base", ["method=ddpm"]),
        ("fills_in", ["method=glide", "schedule@method.schedule=constant", "method.inpainting=true"]),
    ):
        assert main([*method, *words, f"output={tmp_path}", f"name={name}"]) == 0
    base, fills_in = (next((tmp_path / name).iterdir()) for name in ("base", "fills_in"))
    out = tmp_path / "out"
    options = ["--repaint", base, "--steps", 3, "--resamplings", 1, "--count", 9, "--out", out]
    run_study("text_inpainting/study.py", fills_in, *options)
    rows = table(out / "text_inpainting.csv")
    assert [(row["method"], row["sampler"]) for row in rows] == [("GLIDE", "ddim"), ("DDPM", "repaint")]
    assert all(0 <= float(row["alignment_digit"]) <= 1 and float(row["known_pixels_identical"]) == 1 for row in rows)
    assert [int(row["pictures"]) for row in rows] == [9, 9]
    assert len(list(out.glob("*.png"))) == 2


def test_two_guidances(tmp_path: Path) -> None:
    few = ["data.count=40", "data.held_out=20", "data.batch_size=8", "steps=1", f"output={tmp_path}"]
    quiet = [f"callbacks.{name}=null" for name in ("grid", "nearest", "scores")]
    towers = ["network.image_tower.width=8", "network.text_tower.width=8", "method.schedule.warmup_steps=0"]
    unet = ["network.denoiser.width=8", "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]"]
    painter = ["method=ddpm", "data=scenes", "metrics=scenes", "method.conditional=true", *unet]
    assert main([*painter, "method.process.schedule=cosine", *few, *quiet, "name=painter"]) == 0
    for experiment in ("noisy_clip_scenes", "clip_scenes"):
        assert main([f"experiment={experiment}", *few, *quiet, *towers, f"name={experiment}"]) == 0
    found = {name: next((tmp_path / name).iterdir()) for name in ("painter", "noisy_clip_scenes", "clip_scenes")}
    parts = [f"parts.denoiser={found['painter']}", f"parts.clip={found['noisy_clip_scenes']}", *quiet]
    for given in ("caption", "nothing"):
        words = ["experiment=guided_scenes", f"method.denoiser_given={given}", *few[:3]]
        assert main([*words, *parts, f"output={tmp_path}", f"name={given}"]) == 0
    runs = [found["painter"], *(next((tmp_path / given).iterdir()) for given in ("caption", "nothing"))]
    options = ["--count", 10, "--steps", 2, "--classifier-free", 0, 2, "--clip", 0, 5, "--out", tmp_path / "out"]
    run_study("two_guidances/study.py", *runs, "--features", found["clip_scenes"], *options)
    rows = table(tmp_path / "out" / "guidances.csv")
    names = ["classifier-free", "CLIP, of a model given the caption", "CLIP alone"]
    assert [(row["guidance"], float(row["scale"])) for row in rows] == [
        (name, scale) for name, scales in zip(names, ((0, 2), (0, 5), (0, 5)), strict=True) for scale in scales
    ]
    # Unguided, both are samples of the same model from the same noise.
    assert rows[0]["fid"] == rows[2]["fid"]
    assert rows[2]["fid"] != rows[3]["fid"]
    assert (tmp_path / "out" / "guidances.png").is_file()


def test_attention_maps(tmp_path: Path) -> None:
    words = [
        "data=scenes", "data.count=40", "data.held_out=24", "data.batch_size=8", "metrics=none", "steps=1",
        "method=ddpm", "network=unet_small", "network.denoiser.width=8", "network.denoiser.multipliers=[1]",
        "network.denoiser.patch=4", "method.conditional=true", "sampler=ddim", "sampler.steps=2",
        "callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null", "trainer.accelerator=cpu",
    ]  # fmt: skip
    assert main([*words, f"output={tmp_path}", "name=painter"]) == 0
    run = next((tmp_path / "painter").iterdir())
    run_study("attention_maps/study.py", run, "--count", 6, "--out", tmp_path / "out")
    rows = {row["word"]: row for row in table(tmp_path / "out" / "words.csv")}
    assert {"digit", "colour of the digit", "colour of the background"} <= set(rows)
    assert all(0 <= float(row["maximum on the digit"]) <= 1 and int(row["pictures"]) <= 6 for row in rows.values())
    assert all(float(row["from"]) <= float(row["maximum on the digit"]) <= float(row["to"]) for row in rows.values())


def test_emoji_prompts(tmp_path: Path) -> None:
    make_package(tmp_path)
    few = [f"data.root={tmp_path}", f"data.prepared={tmp_path / 'prepared'}", "data.batch_size=8", "steps=1"]
    quiet = [f"callbacks.{name}=null" for name in ("grid", "nearest", "scores")]
    rest = [*quiet, "trainer.accelerator=cpu", f"output={tmp_path}", "schedule@method.schedule=constant"]
    unet = ["network.denoiser.width=8", "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]"]
    words = ["experiment=glide_emoji", *few, *rest, *unet, "sampler.steps=1", "name=painter"]
    assert main(words) == 0
    assert main(["method=clip", "data=emoji", "data.size=32", "network=clip_small", *few, *rest, "name=clip"]) == 0
    painter, clip = (next((tmp_path / name).iterdir()) for name in ("painter", "clip"))
    names = api.open_run(painter).method.condition.tokenizer.words[:2]
    (tmp_path / "prompts.txt").write_text("\n".join([*names, " ".join(names)]))
    options = ["--prompts", tmp_path / "prompts.txt", "--count", 2, "--out", tmp_path / "out"]
    run_study("emoji_prompts/study.py", painter, "--clip", clip, *options)
    rows = table(tmp_path / "out" / "prompts.csv")
    assert [row["prompt"] for row in rows] == [*names, " ".join(names)]
    # Of each picture one of the three prompts is the first.
    assert sum(int(row["its own prompt first"]) for row in rows) <= 6
    assert (tmp_path / "out" / "prompts.png").is_file()


def test_unclip(tmp_path: Path) -> None:
    few = ["data.count=40", "data.held_out=40", "data.batch_size=8", "trainer.accelerator=cpu", f"output={tmp_path}"]
    chain = ["sampler.steps=2", "method.process.steps=60", "schedule@method.schedule=constant", "steps=1"]
    quiet = ["callbacks.grid=null", "callbacks.nearest=null"]
    unet = ["network.denoiser.width=8", "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]"]
    assert main(["experiment=clip_scenes", *few, "schedule@method.schedule=constant", "steps=1", "name=clip"]) == 0
    embedder = f"parts.embedder={next((tmp_path / 'clip').iterdir())}"
    small = ["network.denoiser.width=16", "network.denoiser.layers=1"]
    assert main(["experiment=prior_scenes", *few, *chain, *small, embedder, "name=prior"]) == 0
    patches = [*unet, "network.denoiser.patch=4"]
    assert main(["experiment=unclip_decoder_scenes", *few, *chain, *quiet, *patches, embedder, "name=decoder"]) == 0
    parts = [f"parts.{name}={next((tmp_path / name).iterdir())}" for name in ("prior", "decoder")]
    assert main(["experiment=unclip_scenes", *few, *parts, "name=unclip"]) == 0
    out = tmp_path / "out"
    run = next((tmp_path / "unclip").iterdir())
    run_study("unclip/study.py", run, "--count", 5, "--pictures", 2, "--out", out)
    assert [row["embedding"] for row in table(out / "prior.csv")] == ["drawn by the prior", "of the caption itself"]
    kept = {row["kept"]: float(row["right"]) for row in table(out / "variations.csv")}
    assert kept["digit and colour"] <= min(kept["digit"], kept["colour"]) <= 1
    rows = table(out / "text_differences.csv")
    assert {row["attribute"] for row in rows} == {"digit", "colour", "background"}
    assert {float(row["theta"]) for row in rows} == {0, 0.5}
    names = ["variations", "mixtures_inverted", "mixtures_fixed", "text_differences_digit"]
    assert all((out / f"{name}.png").is_file() for name in names)


def test_diffusion_autoencoder(tmp_path: Path) -> None:
    few = ["data.count=60", "data.held_out=60", "data.batch_size=8", "trainer.accelerator=cpu", f"output={tmp_path}"]
    quiet = ["callbacks.grid=null", "callbacks.nearest=null", "schedule@method.schedule=constant", "sampler.steps=2"]
    unet = ["network.denoiser.width=8", "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]"]
    assert main(["experiment=diffae_scenes", *few, *quiet, *unet, "steps=1", "name=diffae"]) == 0
    kept = ["steps=2", f"method.latents_in={tmp_path / 'latents'}", "name=colours"]
    autoencoder = f"parts.autoencoder={next((tmp_path / 'diffae').iterdir())}"
    assert main(["experiment=semantic_classifier_scenes", *few, autoencoder, *kept]) == 0
    run, out = next((tmp_path / "colours").iterdir()), tmp_path / "out"
    few_steps = ["--steps", 2, 4, "--manipulation-steps", 2, "--reconstructed", 4]
    run_study("diffusion_autoencoder/study.py", run, "--count", 12, "--pictures", 2, *few_steps, "--out", out)
    assert [row["steps"] for row in table(out / "reconstruction.csv")] == ["2", "4"]
    rows = {(row["strength"], row["fraction"]): float(row["right"]) for row in table(out / "colours.csv")}
    # Led nowhere no digit has the colour that it is to get.
    assert rows["0.0", "colour reached"] < 0.5
    assert rows["0.6", "both"] <= min(rows["0.6", "colour reached"], rows["0.6", "digit kept"])
    assert all((out / f"{name}.png").is_file() for name in ("reconstruction", "colours", "mixtures"))


def test_conditioning_augmentation(tmp_path: Path) -> None:
    words = [
        "data=digits", "data.batch_size=8", "trainer.accelerator=cpu", "steps=1", f"output={tmp_path}", "metrics=none",
        "sampler=ddim", "sampler.steps=2", "method.process.steps=20", "method.process.schedule=cosine",
        "callbacks.grid=null", "callbacks.nearest=null", "network.denoiser.width=8",
        "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]",
    ]  # fmt: skip
    assert main([*words, "method=ddpm", "data.size=8", "name=base"]) == 0
    up = ["method=upsampler", "method.conditional=false", "method.factor=2", "data.size=16"]
    assert main([*words, *up, "name=augmented"]) == 0
    assert main([*words, *up, "method.augmentation=none", "method.level=0", "name=plain"]) == 0
    towers = ["network.image_tower.width=8", "network.text_tower.width=8", "method.schedule.warmup_steps=0"]
    clip = ["method=clip", "network=clip_small_resnet", "data=captioned_digits", "data.size=16", *towers]
    assert main([*clip, "data.batch_size=8", "steps=1", f"output={tmp_path}", "name=clip", "metrics=none"]) == 0
    found = {path.name: next(path.iterdir()) for path in tmp_path.iterdir()}
    for name in ("augmented", "plain"):
        parts = [f"parts.base={found['base']}", f"parts.upsampler={found[name]}", f"output={tmp_path}", "steps=0"]
        given = ["method=cascade", "data=digits", "data.size=16", "metrics=none"]
        assert main([*given, *parts, f"name=cascade_{name}"]) == 0
    runs = [next((tmp_path / f"cascade_{name}").iterdir()) for name in ("augmented", "plain")]
    options = ["--features", found["clip"], "--levels", 0, 0.5, "--count", 10, "--out", tmp_path / "out"]
    run_study("conditioning_augmentation/study.py", *runs, *options)
    rows = table(tmp_path / "out" / "levels.csv")
    assert [(row["augmentation"], float(row["level"])) for row in rows] == [
        ("non_truncated", 0), ("non_truncated", 0.5), ("truncated", 0.5), ("none", 0)
    ]  # fmt: skip
    assert (tmp_path / "out" / "levels.png").is_file()


def test_superresolution(tmp_path: Path) -> None:
    words = [
        "data=digits", "data.size=16", "data.batch_size=8", "trainer.accelerator=cpu", f"output={tmp_path}",
        "metrics=none", "callbacks.grid=null", "callbacks.nearest=null",
    ]  # fmt: skip
    network = [f"network.denoiser.{each}" for each in ("width=8", "multipliers=[1]", "attention=[]")]
    assert main(["method=bicubic", *words, "steps=0", "name=bicubic"]) == 0
    assert main(["method=sr3", *words, *network, "sampler=ddim", "sampler.steps=2", "steps=1", "name=sr3"]) == 0
    runs = [next((tmp_path / name).iterdir()) for name in ("bicubic", "sr3")]
    run_study("superresolution/study.py", *runs, "--count", 20, "--shown", 3, "--name", "x", "--out", tmp_path / "out")
    first, second, itself = table(tmp_path / "out" / "x.csv")
    assert (first["run"], second["run"], itself["run"]) == ("bicubic", "sr3", "held-out images")
    # Interpolation is near the image and its source, and an untrained network near neither.
    assert float(first["psnr"]) > float(second["psnr"])
    assert float(first["consistency"]) < float(second["consistency"])
    assert float(first["ssim"]) > float(second["ssim"])
    assert 0 < float(first["fid_held_out"]) < float(second["fid_held_out"])
    assert 0 < float(itself["fid_train"]) < float(first["fid_train"])
    # The scores of `evaluate`, by another way.
    assert (
        main(["evaluate", f"run={runs[0]}", "device=cpu", "metrics=digits", "metrics.scores=[psnr,fid]", "count=355"])
        == 0
    )
    found = json.loads((runs[0] / "scores.json").read_text())["values"]
    assert float(first["ssim"]) == pytest.approx(found["ssim"], rel=0.1)
    assert (tmp_path / "out" / "x.png").is_file()


def test_inpainting(tmp_path: Path) -> None:
    words = [
        "data=digits", "data.size=16", "data.batch_size=8", "trainer.accelerator=cpu", f"output={tmp_path}",
        "metrics=none", "callbacks.grid=null", "callbacks.nearest=null",
    ]  # fmt: skip
    network = [f"network.denoiser.{each}" for each in ("width=8", "multipliers=[1]", "attention=[]")]
    filling = ["method=partial_convolution", "network.generator.width=4", "network.generator.levels=2"]
    filling += ["schedule@method.schedule=constant"]
    assert main([*filling, *words, "steps=1", "name=partial"]) == 0
    assert main(["method=ddpm", *words, *network, "sampler=ddim", "sampler.steps=2", "steps=1", "name=ddpm"]) == 0
    partial, ddpm = (next((tmp_path / name).iterdir()) for name in ("partial", "ddpm"))
    out = tmp_path / "out"
    repaint = ["--repaint", ddpm, "--steps", 2, "--resamplings", 1]
    run_study("inpainting/study.py", partial, *repaint, "--count", 20, "--name", "x", "--out", out)
    first, second, itself = table(out / "x.csv")
    assert (first["run"], second["run"], itself["run"]) == ("partial", "ddpm", "held-out images")
    for row in (first, second):
        assert float(row["known_pixels_identical"]) == 1
        assert 0 < float(row["filled_l1"]) < 1
        assert float(row["fid_train"]) > float(itself["fid_train"])
        assert float(row["seconds_per_image"]) > 0
    assert (out / "x.png").is_file()


def test_adaptive_augmentation(tmp_path: Path) -> None:
    words = [
        "experiment=stylegan_digits", "data.size=8", "data.batch_size=8", "trainer.accelerator=cpu", "steps=4",
        "network.generator.width=32", "network.discriminator.width=32", "network.generator.w_dim=8",
        "method.latent_dim=8", "metrics.count=20", "callbacks.scores.every=2", "callbacks.scores.max_fraction=1",
        "callbacks.grid=null", "callbacks.nearest=null", "trainer.log_every_n_steps=1", f"output={tmp_path}",
    ]  # fmt: skip
    assert main([*words, "name=with", "method.adaptive.images=100", "method.adaptive.every=1"]) == 0
    assert main([*words, "name=without", "method.adaptive.target=null"]) == 0
    runs = [next((tmp_path / name).iterdir()) for name in ("with", "without")]
    run_study("adaptive_augmentation/study.py", *runs, "--out", tmp_path / "out")
    rows = table(tmp_path / "out" / "runs.csv")
    assert [row["run"] for row in rows] == ["with", "without"]
    assert [int(row["images"]) for row in rows] == [32, 32]
    assert all(float(row["least"]) <= float(row["last"]) and int(row["least_at"]) in (16, 32) for row in rows)
    assert float(rows[1]["probability"]) == 0
    assert (tmp_path / "out" / "curves.png").is_file()
