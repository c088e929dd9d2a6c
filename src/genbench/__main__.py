"""The command line: `python -m genbench [verb] key=value ...`.

It finds the verb, checks what was asked for, and only then imports what the verb needs.
"""

import os
import sys

from genbench import interrupts

if __name__ == "__main__":
    # Before what takes longer to import, so that Ctrl-C is answered in one line from the first moment on.
    interrupts.answer_at_once()

import argparse
import re
from typing import TYPE_CHECKING

from genbench import plugins
from genbench.errors import SweepError, UserError, near
from genbench.text.characters import is_encodable
from genbench.unforeseen import explain

if TYPE_CHECKING:
    from omegaconf import DictConfig

VERBS = {
    "train": "train a method, or go on with a run: train run=FOLDER",
    "sample": "draw images from a run: sample run=FOLDER count=64 seed=3",
    "edit": "edit images or latents with a run: edit editor=inpaint run=FOLDER mask=center",
    "evaluate": "score a run: evaluate run=FOLDER",
    "classify": "predict labels from their names: classify run=CLIP images=PATH labels=[cat,dog]",
    "report": "show many runs on one page: report runs='outputs/*' out=report",
    "dashboard": "set up a workspace on Weights & Biases: dashboard entity=TEAM project=genbench",
    "import": "make a run folder of published weights: import source=diffusers path=DIR",
    "export": "write a run for others to use: export run=FOLDER to=diffusers path=DIR",
    "prepare": "decode and resize a data set once: prepare data=celeba data.root=DIR",
    "list": "print what can be chosen, and what is set for this machine",
}

_IN_THIS_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"

_EXAMPLES = """paths (data.root=, run=, out=, ...) are taken as they are: no blank, comma, bracket or quote in them
means anything beyond what your shell makes of it, and ~ is your home folder. With -m, and in
runs=[a,b], a comma separates paths, and \\, is a comma.

examples:
  python -m genbench                                    a GAN on scikit-learn's digits
  python -m genbench method=ddpm steps=200              another method, with the network and sampler that suit it
  python -m genbench experiment=gan_mnist data.root=DIR
  python -m genbench debug=true experiment=gan_mnist    a few steps, to see whether it works
  python -m genbench -m seed=0,1,2                      three runs, one after the other
  python -m genbench train run=FOLDER steps=4000        go on with a run
  python -m genbench sample --help                      the settings of a verb, their meaning and defaults
  python -m genbench --cfg experiment=gan_mnist         print the whole configuration
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command line and return the exit status: 0, 1 for a failed run, 2 for what the user can mend."""
    try:
        if argv is not None:
            # Lightning repeats sys.argv to start the other processes of a distributed run.
            sys.argv = [sys.argv[0], *argv]
        _run(_parse(sys.argv[1:]))
    except UserError as error:
        print(f"genbench: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("genbench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _leave_pipe()
    except Exception as error:
        message, status = explain(error)
        print(f"genbench: {message}", file=sys.stderr)
        return status
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message}; see python -m genbench --help")


def _parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:9} {text}" for name, text in VERBS.items())
    parser = _Parser(
        prog="python -m genbench",
        usage="python -m genbench [verb] [-m] [key=value ...]",
        description=f"Train, sample, edit and score generative methods.\n\nverbs (train if none is named):\n{verbs}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="key=value", help="what to choose and set")
    parser.add_argument("-m", "--multirun", action="store_true", help="run each combination of key=a,b,c")
    parser.add_argument(
        "--plugin", action="append", default=[], metavar="NAME", help="a package of yours whose classes may be named"
    )
    parser.add_argument("--cfg", action="store_true", help="print the composed configuration and stop")
    parser.add_argument("-h", "--help", action="store_true", help="print this, or with a verb its settings, and stop")
    return parser


def _parse(argv: list[str]) -> argparse.Namespace:
    for word in argv:
        if not is_encodable(word):
            raise UserError(f"the argument {word!a} is no valid text: write it in UTF-8, as your terminal does")
    arguments = _parser().parse_intermixed_args(argv)
    # `~key` takes a key out, in Hydra's syntax.
    plain = [word for word in arguments.words if "=" not in word and not word.startswith("~")]
    arguments.verb = plain[0] if plain else "train"
    arguments.is_named = bool(plain)
    arguments.stray = plain[1:]
    arguments.words = [word for word in arguments.words if word not in plain]
    return arguments


def _run(arguments: argparse.Namespace) -> None:
    if arguments.help and not arguments.is_named and not arguments.words:
        return _print(_parser().format_help().rstrip("\n"))
    if arguments.verb not in VERBS:
        raise UserError(f"there is no verb {arguments.verb!r}{near(arguments.verb, VERBS)}")
    plugins.admit(arguments.plugin)
    if arguments.stray:
        raise UserError(f"{arguments.stray[0]!r} is neither a verb nor key=value")
    from genbench import config

    if arguments.plugin:
        config.check_shadows()
    if arguments.verb == "list":
        from genbench.commands.list import main as list_all

        if arguments.words:
            raise UserError(f"list takes no settings: leave out {arguments.words[0]}")
        return _print(VERBS["list"] if arguments.help else list_all())
    overrides = config.as_overrides(arguments.words, arguments.multirun)
    if arguments.help:
        from genbench.config.settings import describe_settings

        return _print(describe_settings(arguments.verb, VERBS[arguments.verb], overrides))
    if arguments.cfg:
        from omegaconf import OmegaConf

        composed = config.check(arguments.verb, overrides, complete=False)
        return _print(OmegaConf.to_yaml(composed).rstrip("\n"))
    composed = config.check(arguments.verb, overrides, arguments.multirun)
    if arguments.multirun:
        goes_on = arguments.verb == "train" and composed.get("run") is not None
        several = any(re.match(r'output=".*?[^\\]","', line) for line in overrides)
        if "output" in composed and not goes_on and not several:
            # Hydra makes a folder for the sweep below it.
            overrides = [*overrides, *config.as_overrides([f"output={composed.output}"], multirun=False)]
        return _run_sweep(arguments.verb, overrides, composed)
    from genbench import commands

    task = commands.load(arguments.verb)
    interrupts.answer_by_exception()
    task(composed, overrides)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _leave_pipe()


def _leave_pipe() -> None:
    """End well when who reads has enough, as in `list | head`: else the rest of the buffer is tried again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_sweep(verb: str, overrides: list[str], composed: "DictConfig") -> None:
    """Let Hydra run each combination, here or where its launcher has it run."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from genbench import commands, config
    from genbench.commands.launching import check_launcher
    from genbench.commands.searching import check_sweeper, say_best, search_overrides
    from genbench.config.site_settings import launcher_overrides
    from genbench.errors import first_line

    check_launcher(overrides)
    check_sweeper(overrides)
    overrides = [*overrides, *launcher_overrides(overrides), *search_overrides(overrides, composed)]
    config.register_schemas()
    # Hydra reads sys.argv.
    sys.argv = [sys.argv[0], *config.for_a_sweep(overrides), *config.searched(), "--multirun"]
    # Errors are to come through to `main`, which knows how to say them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    task = commands.load(verb)
    interrupts.answer_by_exception()
    errors: list[UserError] = []

    def run(_: "DictConfig") -> float | None:
        # What Hydra composes knows nothing of what a method brings along: it is for the launcher alone.
        own = list(HydraConfig.get().overrides.task)
        launcher = HydraConfig.get().launcher._target_
        # One run of a sweep that the user must mend does not keep the others from running.
        try:
            return task(config.check(verb, own), own)
        except UserError as error:
            if launcher != _IN_THIS_PROCESS:
                # In a job elsewhere this list is a copy: what is raised there is raised here when all jobs are over.
                raise SweepError(str(error)) from error
            errors.append(error)
            print(f"genbench: {error}", file=sys.stderr)
            return None

    try:
        hydra.main(version_base="1.3", config_path=str(config.CONF), config_name=verb)(run)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"the sweep can't be launched: {first_line(error)}") from error
    finally:
        # Lightning would take a later run of this process for one of Hydra's.
        HydraConfig.instance().cfg = None
    say_best(overrides, composed)
    if errors:
        raise SweepError(f"{len(errors)} of the runs failed, see above")


if __name__ == "__main__":
    sys.exit(main())
