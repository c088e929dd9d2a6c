"""The model card of an exported run (Mitchell et al. 2019): what it is, what it saw, how good it is, how to use it."""

from pathlib import Path
from typing import Any

import yaml

import genbench
from genbench.abilities import Draws
from genbench.commands.assembly import parameters_by_network
from genbench.commands.protocols import protocol_title
from genbench.config import short_name, tags_of
from genbench.errors import UserError
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM
from genbench.runs.folder import RunFolder
from genbench.runs.part_files import Part
from genbench.runs.score_file import Row, read_scores
from genbench.wording import for_pasting

_PIPELINE = """\
```python
from diffusers import DDIMPipeline

pipeline = DDIMPipeline.from_pretrained("FOLDER")
images = pipeline(batch_size=4, num_inference_steps=50, use_clipped_model_output=True).images
```

`DDPMPipeline` takes all steps of the chain. The same noise leads to the images of `sampler=ancestral` and of
`sampler=ddim sampler.spacing=leading`."""

_LEARNED = """\
```python
from diffusers import DDPMPipeline

images = DDPMPipeline.from_pretrained("FOLDER")(batch_size=4).images
```

The network predicts its variance too, which `DDIMPipeline` does not take."""

_OF_CLASSES = """\
```python
from diffusers import DDPMScheduler, UNet2DModel

unet = UNet2DModel.from_pretrained("FOLDER", subfolder="unet")
scheduler = DDPMScheduler.from_pretrained("FOLDER", subfolder="scheduler")
```

The network takes `class_labels`, which diffusers' pipelines of unconditional models do not give it; the last class
stands for none."""
"""How diffusers uses what is exported. By default its DDIM goes on with the noise that belongs to the estimate of x_0
before it was clamped."""

_UNKNOWN_LICENCE = "not stated: ask whoever trained it before using it, and mind the licence of the data"


def model_card(run: RunFolder, part: Part, form: str, licence: str | None) -> str:
    """Return the README of an exported run, Markdown with its facts in front as YAML.

    Args:
        run: that was exported.
        part: its weights and configuration.
        form: "safetensors" or "diffusers".
        licence: of the weights; None if nobody said.
    """
    manifest = run.read_manifest()
    imported = manifest.get("imported") if isinstance(manifest.get("imported"), dict) else None
    licence = licence or (imported or {}).get("licence")
    method = short_name(part.settings.method)
    front: dict[str, Any] = {"library_name": "diffusers" if form == "diffusers" else "genbench"}
    front |= {"license": licence} if licence else {}
    front["tags"] = [*dict.fromkeys([method, *tags_of(part.settings)])]
    # Of published weights, those that the file holds.
    counts = (imported or {}).get("parameters") or parameters_by_network(part.model)
    count = sum(counts.values())
    lines = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "", f"# {part.settings.name}", ""]
    absent = ", ".join((imported or {}).get("not_in_file") or [])
    lines += [f"`{method}`, {count:,} parameters, from GenBench {genbench.__version__}.", ""]
    lines += [f"Never trained, since the published file lacks it: {absent}.", ""] if absent else []
    lines += ["## Training", "", *_training(run, part, manifest, imported), ""]
    lines += ["## Scores", "", *_scores(run, part), ""]
    lines += ["## Use", "", *_use(part, form), ""]
    lines += ["## Licence", "", licence or _UNKNOWN_LICENCE, ""]
    return "\n".join(lines)


def _training(run: RunFolder, part: Part, manifest: dict[str, Any], imported: dict[str, Any] | None) -> list[str]:
    data, settings = run.read_data(), part.settings
    seen = data.get("name") or short_name(settings.data)
    hashed = f", {data['sha256']}" if isinstance(data.get("sha256"), str) else ""
    rows = [("data", f"{seen}{hashed}")] if imported is None else []
    if imported is not None:
        files = ", ".join(f"{name} (SHA-256 {digest})" for name, digest in (imported.get("sha256") or {}).items())
        rows += [("published weights", f"source {imported.get('source')}: {files}")]
        rows += [("what was trained", "by whoever published them: see their own description")]
    else:
        rows += [("steps", f"{part.step:,} of batches of {settings.data.get('batch_size', '?')}")]
        rows += [("checkpoint", part.checkpoint), ("seed", str(settings.seed))]
        rows += [("code", str(manifest.get("revision") or manifest.get("genbench") or "unknown"))]
    return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


def _scores(run: RunFolder, part: Part) -> list[str]:
    try:
        rows = [row for row in read_scores(run.scores_file) if row.get("step", part.step) == part.step]
    except UserError:
        rows = []
    if not rows:
        return ["None were computed."]
    return [line for row in rows for line in _table(row)]


def _table(row: Row) -> list[str]:
    real = (row.get("real_test_images") or {}).get("values") or {}
    lines = [f"{protocol_title(row['protocol'])}, checkpoint {row.get('checkpoint', 'last')}:", ""]
    lines += ["| score | model | real test images |", "| --- | --- | --- |"]
    for name, value in row["values"].items():
        beside = f"{real[name]:.4g}" if isinstance(real.get(name), int | float) else ""
        lines.append(f"| {name} | {value:.4g} | {beside} |")
    sampler = row["protocol"].get("sampler")
    drawn = f"Drawn by {sampler}." if sampler else ""
    return [*lines, "", f"{drawn} Seed {row['protocol'].get('seed', '?')}.".strip(), ""]


def _use(part: Part, form: str) -> list[str]:
    if form == "diffusers":
        if part.model.condition is not None:
            return _OF_CLASSES.splitlines()
        return (_LEARNED if isinstance(part.model, ImprovedDDPM) else _PIPELINE).splitlines()
    verbs = ["sample", "evaluate"] if isinstance(part.model, Draws) else ["evaluate"]
    commands = [for_pasting(verb, run=Path("FOLDER")) for verb in verbs]
    return [
        "The folder is a run folder of GenBench; nothing in it is executed when it is opened.",
        "",
        "```",
        *commands,
        "```",
    ]
