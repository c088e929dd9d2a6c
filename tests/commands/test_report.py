"""The report: what it says of run folders, and that it works in a browser."""

import base64
import io
import json
import os
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from genbench.__main__ import main
from genbench.config import compose_config
from genbench.figures.animation import save_animation
from genbench.figures.grid import make_grid
from genbench.images import save_image
from genbench.runs.score_file import add_scores

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

PROTOCOL = {
    "count": 2000, "seed": 0, "reference": "digits", "reference_split": "train", "reference_count": 1442,
    "reference_identity": {"image_shape": [1, 8, 8], "sha256": "abc"}, "extractor": "digit classifier",
    "extractor_sha256": "def", "versions": {"torch": "2"},
}  # fmt: skip

MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def configs() -> dict[str, Any]:
    """Compose a few experiments once."""
    names = ("gan_digits", "vae_digits", "ddpm_digits", "ddpm_cifar10")
    roots = {"ddpm_cifar10": ["data.root=DIR"]}
    composed = {name: compose_config("train", [f"experiment={name}", *roots.get(name, [])]) for name in names}
    return {name: OmegaConf.to_container(config, resolve=True) for name, config in composed.items()}


@pytest.fixture
def make_run(tmp_path: Path, configs: dict[str, Any]) -> MakeRun:
    """Return a function that makes the folder of a run that was never trained."""

    def make(
        name: str = "gan_digits",
        seed: int = 0,
        fid: float | None = 10.0,
        steps: int = 3000,
        settings: dict[str, Any] | None = None,
        **protocol: Any,
    ) -> Path:
        folder = tmp_path / "outputs" / name / f"run_{len(list(tmp_path.glob('outputs/*/*')))}"
        folder.mkdir(parents=True)
        config = configs[name] | {"seed": seed} | (settings or {})
        config["data"] = config["data"] | {"seed": seed}
        OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
        manifest = {"overrides": [f"experiment={name}", f"seed={seed}"], "seconds": 100.0 + seed}
        if steps >= config["steps"]:
            manifest["steps"] = steps
        (folder / "manifest.json").write_text(json.dumps(manifest))
        rows = [
            f"{step},{64 * step},{step / 10},{1000 / step},{2.5}" for step in range(steps // 3, steps + 1, steps // 3)
        ]
        head = "step,images,seconds,score/fid_digits,loss/generator"
        (folder / "metrics.csv").write_text("\n".join([head, *rows]) + "\n")
        picture = make_grid(torch.full((4, 1, 8, 8), 200, dtype=torch.uint8))
        for stem in ("step", "interpolation", "nearest"):
            save_image(picture, folder / "samples" / f"{stem}_{steps:07d}.png")
        if fid is not None:
            values = {"fid_digits": fid, "is_digits": 20 / (1 + fid), "is_digits_std": 0.1, "recall_digits": 0.5}
            scores = {"step": steps, "seconds_per_image": 0.001 * (1 + seed), "values": values}
            (folder / "scores.json").write_text(json.dumps(scores | {"protocol": PROTOCOL | protocol}))
        return folder

    return make


@pytest.fixture
def write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    """Return a function that writes the report of all runs, its words after it."""

    def run(*overrides: str) -> Path:
        assert main(["report", f"runs={tmp_path}/outputs/*", f"out={tmp_path}/report", *overrides]) == 0
        return tmp_path / "report" / "index.html"

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page from the disk; nothing may go wrong in it, nor leave the disk."""
    pages, wrong = [], []

    def open_page(file: Path, width: int = 1440, scheme: Any = "light", until: Any = "load") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        # A machine that does other work may take its time.
        page.set_default_timeout(180_000)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else wrong.append(request.url),
        )
        page.goto(file.as_uri(), wait_until=until)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not wrong


def first_column(page: Page, table: int = 0) -> list[str]:
    rows = page.locator("table.sortable").nth(table).locator("tbody tr[data-run]:visible th")
    return [text.strip() for text in rows.all_inner_texts()]


def test_rows_sort_by_the_good_end_first(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    for name, fid in (("gan_digits", 9.5), ("vae_digits", 101.0), ("ddpm_digits", 2.0)):
        make_run(name, fid=fid)
    page = visit(write())
    by_fid = [f"{name}_digits, seed 0" for name in ("ddpm", "gan", "vae")]
    assert first_column(page) == by_fid
    for column, expected in (("fid", by_fid), ("is", by_fid), ("method", sorted(by_fid))):
        # The good end of a score is read out with its name.
        button = page.locator("table.sortable thead").first.get_by_role("button", name=re.compile(f"^{column}( |$)"))
        button.click()
        assert first_column(page) == expected, column
        button.press("Enter")
        assert first_column(page) == expected[::-1], column
        assert page.locator("th[aria-sort=descending], th[aria-sort=ascending]").count() == 1


def test_rows_charts_and_cards_are_filtered(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    for seed in range(3):
        make_run("gan_digits", seed=seed, fid=10 + seed)
        last = make_run("ddpm_digits", seed=seed, fid=2 + seed)
    page = visit(write())
    assert page.locator("#shown").inner_text() == "all 6 runs"
    page.get_by_label("Method").select_option("ddpm")
    assert first_column(page) == [f"ddpm_digits, seed {seed}" for seed in range(3)]
    assert page.locator("article:visible").count() == 3
    assert page.locator("#curve-chart .legendtext").all_text_contents() == ["ddpm"]
    page.get_by_label("Search").fill(f"ddpm {last.name}")
    assert first_column(page) == ["ddpm_digits, seed 2"]
    page.get_by_label("Search").fill("nothing like it")
    assert page.locator("article:visible").count() == 0


def test_a_picture_is_enlarged_and_closed_by_keys(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    make_run()
    page = visit(write())
    picture = page.locator(".picture").first
    picture.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog img").get_attribute("src") == picture.locator("img").get_attribute("src")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_two_runs_show_what_differs(make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]) -> None:
    make_run(seed=0)
    make_run(seed=1, settings={"steps": 2000})
    page = visit(write())
    rows = page.locator("#comparison table").last.locator("tbody tr").all_inner_texts()
    # Each once: data.seed follows seed.
    assert sorted(row.split("\t")[0] for row in rows) == ["seed", "steps"]


def test_two_methods_differ_in_names_and_no_setting_is_listed_twice(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    make_run("gan_digits")
    make_run("ddpm_digits")
    page = visit(write())
    rows = page.locator("#comparison table").last.locator("tbody tr").all_inner_texts()
    told = dict(row.split("\t", 1) for row in rows)
    assert len(told) == len(rows)
    assert told["method"].split("\t") == ["ddpm", "gan"]
    assert "_target_" not in "".join(told)
    # What is set in sampler and in network stands in method, too, and metrics in callbacks.
    assert "sampler.steps" in told
    assert not any(key.startswith(("method.sampler", "method.denoiser", "callbacks.scores.evaluator")) for key in told)


@pytest.mark.parametrize(("count", "width"), [(1, 390), (200, 390), (200, 1440)])
def test_one_run_and_two_hundred_fit_a_phone_and_a_wide_screen(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page], count: int, width: int
) -> None:
    for seed in range(count):
        make_run("gan_digits" if seed % 2 else "vae_digits", seed=seed, fid=float(seed))
    begun = time.monotonic()
    page = visit(write(), width=width, scheme="dark")
    assert time.monotonic() - begun < 60
    assert page.locator("article").count() == count
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    assert max(red, green, blue) < 64
    page.locator("#theme").click()
    assert "rgb(253" in page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.wait_for_selector("#trilemma-chart .plot-container")


def test_protocols_are_kept_apart(make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]) -> None:
    for seed in range(2):
        make_run(seed=seed, versions={"torch": str(seed)}, sampler={"steps": seed})
    make_run(seed=7, fid=0.1, count=50_000)
    page = visit(write())
    assert page.locator("table.sortable thead").count() == 3  # two protocols, and the first over seeds
    assert first_column(page) == ["gan_digits, seed 0", "gan_digits, seed 1"]
    assert "Unlike the first table: 50,000 samples rather than 2,000." in page.locator(".group").nth(1).inner_text()
    # Alone in its table, nothing is the best.
    assert page.locator(".group").nth(1).locator(".best").count() == 0


def test_seeds_are_averaged(make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]) -> None:
    values = [10.0, 12.0, 17.0]
    for seed, fid in enumerate(values):
        make_run(seed=seed, fid=fid)
    make_run(seed=3, fid=1.0, settings={"channels_last": False})
    page = visit(write())
    row = page.locator(".families tbody tr").first.inner_text().split("\t")
    assert row[:2] == ["gan_digits", f"{statistics.fmean(values):.4g} ± {statistics.stdev(values):.2g}"]
    assert row[-2:] == ["gan", "3"]
    assert page.locator(".families tbody tr").count() == 1


def test_the_papers_figure_stands_beside_ours(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    make_run("ddpm_cifar10", steps=800_000)
    page = visit(write())
    assert "fid 3.17, is 9.46 Ho et al. 2020" in page.locator("table tbody tr").first.inner_text()


def test_states_are_told(make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]) -> None:
    make_run("vae_digits", steps=8000)
    failed, half = (make_run("gan_digits", seed=seed, fid=None, steps=300) for seed in (1, 2))
    running = make_run("gan_digits", seed=3, fid=None, steps=300)
    for folder, ended in ((failed, {"how": "failed", "why": "the loss is <b>NaN</b>"}), (half, None)):
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"ended": ended}))
    (running / ".lock").touch()
    (half / ".lock").touch()
    os.utime(half / ".lock", (0, 0))
    page = visit(write())
    table = page.locator("table.sortable").last
    told = {row.split("\t")[0]: row for row in table.locator("tbody tr").all_inner_texts()}
    assert "failed" in told["gan_digits, seed 1"]
    assert "the loss is <b>NaN</b>" in told["gan_digits, seed 1"]
    assert "stopped" in told["gan_digits, seed 2"]
    assert "running" in told["gan_digits, seed 3"]
    assert "fid_digits 3.333 at step 300" in told["gan_digits, seed 3"]


def test_damaged_folders_are_named_and_the_others_shown(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page], tmp_path: Path
) -> None:
    make_run()
    in_part = ("csv", "columns", "zeroed", "scores", "other scores", "picture")
    broken = {
        name: make_run("vae_digits", seed=seed) for seed, name in enumerate((*in_part, "config", "link", "target"))
    }
    (broken["csv"] / "metrics.csv").write_text("step,loss/generator\nnot a number,1\n")
    (broken["columns"] / "metrics.csv").write_text("loss/generator,seconds\n1,1\n")
    (broken["zeroed"] / "metrics.csv").write_bytes(bytes(4096))
    (broken["scores"] / "scores.json").write_text('{"values": {"fid_digits": 3.1')
    (broken["other scores"] / "scores.json").write_text('{"values": {"fid_digits": "good"}, "protocol": {}}')
    next((broken["picture"] / "samples").glob("step_*")).write_bytes(b"\x89PNG then nothing")
    (broken["config"] / "config.yaml").unlink()
    secret = tmp_path / "secret.png"
    save_image(torch.zeros(1, 4, 4, dtype=torch.uint8), secret)
    picture = next((broken["link"] / "samples").glob("step_*"))
    picture.unlink()
    picture.symlink_to(secret)
    content = (broken["target"] / "config.yaml").read_text()
    (broken["target"] / "config.yaml").write_text(content.replace("genbench.methods.autoencoding.vae.VAE", "os.system"))
    page = visit(write())
    named = page.locator(".problems li").all_inner_texts()
    assert len(named) == len(broken)
    for name, folder in broken.items():
        how = "is shown without a part of it" if name in in_part else "is left out"
        assert any(str(folder) in line and how in line for line in named), name
    # What can be read of a run is shown, and that something could not be on its card, too.
    assert page.locator("article").count() == 1 + len(in_part)
    assert page.locator("article .problem").count() == len(in_part)
    scores = page.locator("article", has_text="vae_digits, seed 3").locator(".problem")
    assert "scores.json can't be read" in scores.inner_text()


def test_a_good_page_is_not_replaced_by_an_empty_one(
    make_run: MakeRun, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run()
    before = write().read_text()
    (folder / "config.yaml").write_text("name: [half")
    assert main(["report", f"runs={tmp_path}/outputs", f"out={tmp_path}/report"]) == 2
    said = capsys.readouterr().err
    assert "none of the 1 run folders can be read, so no page is written" in said
    assert "config.yaml can't be read" in said
    assert (tmp_path / "report" / "index.html").read_text() == before


def test_a_page_that_can_not_be_written_is_refused_before_the_work(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run()
    (tmp_path / "file").touch()
    monkeypatch.setattr("genbench.commands.report.read_all", lambda paths: pytest.fail("it read the runs"))
    assert main(["report", f"runs={tmp_path}/outputs", f"out={tmp_path}/file"]) == 2
    assert f"out={tmp_path}/file can't be written" in capsys.readouterr().err


def add(folder: Path, values: dict[str, float], **facts: Any) -> None:
    """Score a run once more."""
    protocol = PROTOCOL | facts.pop("protocol", {})
    add_scores(
        folder / "scores.json", {"checkpoint": "last", "step": 3000, "values": values, "protocol": protocol} | facts
    )


def test_scores_of_one_run_under_several_protocols_are_all_shown(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    folder = make_run(fid=10.0)
    make_run(seed=1, fid=11.0)
    add(folder, {"fid_digits": 4.0}, checkpoint="best")
    add(folder, {"fid_digits": 7.0}, checkpoint="step_0001000", step=1000)
    add(folder, {"fid_digits": 6.0}, protocol={"guidance": 3.0})
    add(folder, {"fid_digits": 8.0}, protocol={"count": 500})
    page = visit(write())
    rows = page.locator(".group").first.locator("tbody tr[data-run]").all_inner_texts()
    # Of checkpoints on the way nothing, since there is the last.
    assert [row.split("\t")[:2] for row in rows] == [
        ["gan_digits, seed 0 best", "4"], ["gan_digits, seed 0 guidance 3.0", "6"],
        ["gan_digits, seed 0", "10"], ["gan_digits, seed 1", "11"],
    ]  # fmt: skip
    second = page.locator(".group").nth(1).inner_text()
    assert "500 samples against 1,442 images of digits train at 8 pixels, by the digit classifier" in second
    assert "Unlike the first table: 500 samples rather than 2,000." in second
    # Side by side stand those that compare.
    assert "2,000 samples" in page.locator("#comparison .note").first.inner_text()


def test_what_only_a_hash_tells_is_said_in_words(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    make_run(seed=0)
    make_run(seed=1)
    make_run(seed=2, reference_identity={"image_shape": [1, 8, 8], "sha256": "0123456789abcdef"})
    make_run(seed=3, extractor_sha256="fedcba9876543210")
    make_run(seed=4, reference_identity={"preparation": {"size": 64}, "stores": ["celeba-0123456789abcdef"]})
    make_run(seed=5, reference_identity={}, count=3000)
    page = visit(write())
    text = page.locator("#leaderboard").inner_text()
    assert "real images that are not the same, or were prepared in another way" in text
    assert "other weights of the extractor" in text
    assert "at 64 pixels" in text
    assert "?" not in text
    assert "0123456789" not in text
    assert "fedcba" not in text


@pytest.mark.parametrize("width", [390, 1440])
def test_pictures_come_first_and_scores_without_scrolling(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page], width: int
) -> None:
    values = {f"{name}_digits": 1.0 for name in ("fid", "is", "kid", "precision", "recall", "density", "mmd", "c2st")}
    for seed in range(2):
        add(make_run(seed=seed, fid=None), values | {f"{name}_std": 0.123 for name in values})
    page = visit(write(), width=width)
    table = page.locator("#leaderboard table").first
    headings = table.locator("thead th:visible").all_inner_texts()
    assert [heading.split()[0] for heading in headings[:5]] == ["run", "fid", "is", "kid", "precision"]
    first = table.locator("tbody tr").first
    strip, score = first.locator("img.strip").bounding_box(), first.locator("td.number").first.bounding_box()
    assert strip is not None
    assert score is not None
    assert strip["x"] < score["x"]
    assert score["x"] + score["width"] <= width
    if width == 1440:
        assert page.evaluate("[...document.querySelectorAll('.scroll')].every((e) => e.scrollWidth <= e.clientWidth)")
    page.get_by_role("button", name="More scores").click()
    assert "mmd" in "".join(table.locator("thead th:visible").all_inner_texts())
    page.get_by_role("button", name="Fewer scores").click()
    assert "mmd" not in "".join(table.locator("thead th:visible").all_inner_texts())


def test_what_a_folder_says_is_text(make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&"
    for seed in range(2):
        folder = make_run(seed=seed, settings={"name": hostile, "sweep": hostile}, reference=hostile, count=2000 + seed)
        (folder / "manifest.json").write_text(json.dumps({"overrides": [hostile], "begun": hostile, "steps": 3000}))
        head, *rows = (folder / "metrics.csv").read_text().splitlines()
        (folder / "metrics.csv").write_text(
            "\n".join([head.replace("generator", "<img src=x onerror=alert(3)>"), *rows])
        )
    page = visit(write())
    page.locator("#curve-figure").select_option("loss/<img src=x onerror=alert(3)>")
    assert hostile in page.locator("article h3").first.inner_text()
    assert page.locator("article img").count() == 6


def test_what_is_asked_for_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", f"runs={tmp_path}/nowhere/*", f"out={tmp_path}/report"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_folders_of_folders_and_lists_of_them(
    make_run: MakeRun, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [make_run(seed=seed) for seed in range(3)]
    for runs, count in (
        (f"{tmp_path}/outputs", 3),
        (str(paths[0]), 1),
        (f"[{paths[0]},{paths[1]},{tmp_path}/outputs]", 3),
    ):
        write(f"runs={runs}")
        assert f"{count} run" in capsys.readouterr().out


def make_edit(folder: Path, name: str, *, animated: bool = False, **manifest: Any) -> Path:
    """Make the folder of an edit that was never made."""
    path = folder / name
    save_image(torch.full((1, 8, 8), 90, dtype=torch.uint8), path / "pictures" / "00000.png")
    save_image(make_grid(torch.full((4, 1, 8, 8), 90, dtype=torch.uint8)), path / "grid.png")
    if animated:
        frames = [torch.full((1, 8, 8), shade, dtype=torch.uint8) for shade in (0, 90, 200)]
        save_animation(frames, path / "animation.gif")
    (path / "config.yaml").write_text("editor:\n  path: slerp\nseed: 3\n")
    (path / "scores.json").write_text(json.dumps({"values": {"l1": [0.25, 0.75], "curve": [[9, 1], [9, 3]]}}))
    content = {"edit": {}, "command": f"python -m genbench edit {name}", "finished": "today"} | manifest
    (path / "manifest.json").write_text(json.dumps(content))
    return path


def test_edits_are_shown_with_their_commands_and_settings(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page]
) -> None:
    hostile = "<img src=x onerror=alert(2)>"
    first, second = make_run(seed=0), make_run("vae_digits", seed=1)
    make_edit(first / "edits", "inpaint")
    make_edit(second / "edits", "interpolate", animated=True, command=hostile)
    (second / "edits" / "interpolate" / "config.yaml").write_text(hostile)
    # What was cut short is not shown, and an edit elsewhere is no run.
    unfinished = make_edit(first / "edits", "unfinished")
    (unfinished / "manifest.json").write_text(json.dumps({"edit": {}, "command": "python"}))
    make_edit(first.parent, "elsewhere")
    page = visit(write())
    assert page.locator(".problems li").count() == 0
    cards = page.locator("#edits .card")
    assert cards.locator("h3").all_inner_texts() == ["inpaint", "interpolate"]
    assert "l1 0.5, curve 2 on average" in cards.first.inner_text()
    assert cards.first.locator(".command").text_content() == "python -m genbench edit inpaint"
    assert "path: slerp" in (cards.first.locator("details pre").last.text_content() or "")
    assert cards.last.locator("pre").all_text_contents() == [hostile, hostile]
    assert [cards.nth(index).locator("img").count() for index in range(2)] == [1, 2]
    # The animation moves: of all its frames the page holds one after the other.
    address = cards.last.locator("img").last.get_attribute("src") or ""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
    page.locator("#search").fill("vae")
    assert page.locator("#edits .card:visible h3").all_inner_texts() == ["interpolate"]


def test_damaged_edits_are_named_and_links_out_of_them_refused(
    make_run: MakeRun, write: Callable[..., Path], visit: Callable[..., Page], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    save_image(torch.zeros(1, 4, 4, dtype=torch.uint8), secret)
    linked, folder_linked, damaged = (make_run(seed=seed) for seed in range(3))
    grid = make_edit(linked / "edits", "inpaint") / "grid.png"
    grid.unlink()
    grid.symlink_to(secret)
    (folder_linked / "edits").mkdir()
    (folder_linked / "edits" / "inpaint").symlink_to(make_edit(tmp_path, "stranger"))
    for name in ("manifest", "animation", "scores", "good"):
        make_edit(damaged / "edits", name, animated=True)
    (damaged / "edits" / "manifest" / "manifest.json").write_text("{")
    (damaged / "edits" / "animation" / "animation.gif").write_bytes(b"GIF89a and nothing")
    (damaged / "edits" / "scores" / "scores.json").write_text('{"values": 3}')
    # On a busy machine Chromium may wait for ever for a picture that is damaged.
    page = visit(write(), until="domcontentloaded")
    named = page.locator(".problems li").all_inner_texts()
    assert sum("is a link that leads out of its run folder" in line and "is left out" in line for line in named) == 2
    assert sum("is shown without a part of it" in line for line in named) == len(named) - 2 == 3
    assert page.locator("#edits h3").all_inner_texts() == ["animation", "good"]
    assert page.locator("#edits img").count() == 3
