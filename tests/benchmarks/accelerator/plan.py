"""What is measured, in which order, and how long each part may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One table of the page.

    Attributes:
        name: its module in this folder.
        title: its heading.
        text: what its columns say.
        seconds: how long all of its rows may take together, on an accelerator.
        row_seconds: how long one of them may take.
    """

    name: str
    title: str
    text: str
    seconds: float
    row_seconds: float


PARTS = (
    Part(
        "steps",
        "Training steps",
        "GenBench beside a plain PyTorch loop over the same networks and data, in the same precision, in turns in one "
        "process. `ratio` is the median of the rounds, GenBench by plain loop; `data wait` the fraction of GenBench's "
        "time that it waited for batches; memory the peak of all tensors. The data are noise in memory.",
        140,
        30,
    ),
    Part(
        "waits",
        "Waits for the accelerator",
        "Operations within a training step that make Python wait for the accelerator, as torch's "
        "`set_sync_debug_mode` counts them, at steps that log nothing, and where they are.",
        30,
        20,
    ),
    Part(
        "sampling",
        "Samplers",
        "One chunk of 64 images by the averaged U-Net of `ddpm_cifar10`. `ms a call` is time by network calls; where a "
        "sampler takes more calls by default than were made, `images/s` is computed from `ms a call`.",
        90,
        50,
    ),
    Part(
        "peers",
        "Beside diffusers",
        "diffusers' U-Net in the same configuration, and its DDIM pipeline, in turns with GenBench's.",
        35,
        30,
    ),
    Part(
        "scoring",
        "Scores",
        "Inception's features of images of 64 x 64 (random weights: speed does not depend on them), and the Frechet "
        "distance of 2,048 dimensions, in float64 on the CPU.",
        40,
        35,
    ),
    Part(
        "resume",
        "A killed and resumed run",
        "The difference of the final weights, relative to their norm, between a run that was killed by SIGKILL "
        "and resumed and one that was not, beside that between two runs that were not. It is `equal` if the first is "
        "at most 1e-6 or three times the second. Kernels are deterministic where there are such.",
        50,
        40,
    ),
    Part(
        "processes",
        "Two processes on one accelerator",
        "The whole command as two nodes of one process each that share the card (or the cores), beside one process "
        "with the same global batch.",
        45,
        45,
    ),
    Part(
        "capacity",
        "The largest batch that fits",
        "Batches are doubled until memory is full; two training steps each.",
        35,
        25,
    ),
    Part(
        "compiled",
        "Training steps of compiled networks",
        "The same comparison as above; both loops have their networks compiled, which is not counted.",
        120,
        110,
    ),
    Part(
        "training",
        "A real training",
        "`ddpm_cifar10` at half of its width, with a short warm-up, for the time that was left.",
        120,
        120,
    ),
)
"""In the order of what is wanted first. The last takes what the others leave."""

BY_NAME = {part.name: part for part in PARTS}
