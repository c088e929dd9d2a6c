"""The arguments of Lightning's Trainer: all may be given as `trainer.NAME=`, but for those that would do nothing."""

from genbench.errors import UserError
from genbench.signatures import parameters_of

TRAINER = "lightning.pytorch.trainer.Trainer"

PLACEMENT = ("accelerator", "devices", "num_nodes", "strategy", "sync_batchnorm")
"""The arguments by which the files of `conf/trainer` differ: where a run runs."""

_SAID_ELSEWHERE = {
    "max_steps": "steps=N says how long a run is",
    "min_steps": "steps=N says how long a run is",
    "min_epochs": "steps=N says how long a run is",
    "logger": "choose logger=csv, tensorboard, wandb or wandb_offline",
    "callbacks": "they are set by callbacks.NAME.SETTING=...",
    "enable_checkpointing": "set callbacks.checkpoints.every=N",
    "enable_progress_bar": "callbacks.progress=null leaves the bar out",
    "default_root_dir": "set output=DIR",
    "fast_dev_run": "use debug=true",
    "barebones": "use debug=true, or leave callbacks out by callbacks.NAME=null",
    "gradient_clip_val": "methods optimise by hand: set method.clip=, the largest norm of a network's gradient",
    "gradient_clip_algorithm": "methods optimise by hand, and clip the norm: set method.clip=",
    "limit_val_batches": "there is no validation loop: set callbacks.scores.every=N and metrics.count=N",
    "limit_test_batches": "there is no test loop: scores are of metrics.count=N images",
    "limit_predict_batches": "images are drawn by: sample run=FOLDER count=N",
    "val_check_interval": "there is no validation loop: set callbacks.scores.every=N",
    "check_val_every_n_epoch": "there is no validation loop: set callbacks.scores.every=N",
    "num_sanity_val_steps": "there is no validation loop: set callbacks.scores.every=N",
    "inference_mode": "there is no validation loop, and images are drawn without gradients anyway",
    "use_distributed_sampler": "batches are shared out over the processes already",
    "reload_dataloaders_every_n_epochs": "the order of an epoch follows from data.seed and the epoch alone",
    "overfit_batches": "to learn few images by heart give a data set of few images",
    "plugins": "they are chosen by where the run runs",
    "model_registry": "checkpoints stay in the run folder",
}


def is_argument(name: str) -> bool:
    """Whether Lightning's Trainer takes an argument of that name."""
    return name in (parameters_of(TRAINER) or {})


def check_argument(name: str) -> None:
    """Check that an argument, which somebody set, has an effect here.

    Raises:
        UserError: it has none; the message says what has.
    """
    if name in _SAID_ELSEWHERE:
        raise UserError(f"trainer.{name} has no effect here: {_SAID_ELSEWHERE[name]}")
