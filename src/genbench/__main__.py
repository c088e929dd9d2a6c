"""The command line: `python -m genbench [verb] key=value ...`.

It finds the verb, checks what was asked for, and only then imports what the verb needs.
"""

import argparse
import os
import sys

from genbench.errors import SweepError, UserError, near

VERBS = {
    "train": "train a method, or go on with a run: train run=FOLDER",
    "sample": "draw images from a run: sample run=FOLDER count=64 seed=3",
    "evaluate": "score a run: evaluate run=FOLDER",
    "report": "show many runs on one page: report runs='outputs/*' out=report",
    "dashboard": "set up a workspace on Weights & Biases: dashboard entity=TEAM project=genbench",
    "prepare": "decode and resize a data set once: prepare data=celeba data.root=DIR",
    "list": "print the experiments, methods and data sets",
}

_IN_THIS_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"

_EXAMPLES = """examples:
  python -m genbench                                    a GAN on scikit-learn's digits
  python -m genbench experiment=gan_mnist data.root=DIR
  python -m genbench -m seed=0,1,2                      three runs, one after the other
  python -m genbench train run=FOLDER steps=4000        go on with a run
  python -m genbench --cfg experiment=gan_mnist         print the whole configuration
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command line and return the exit status: 0, 1 for a failed run, 2 for what the user can mend."""
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    try:
        _run(arguments)
    except UserError as error:
        print(f"genbench: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("genbench: interrupted", file=sys.stderr)
        return 130
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    verbs = "\n".join(f"  {name:9} {text}" for name, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="python -m genbench",
        usage="python -m genbench [verb] [-m] [key=value ...]",
        description=f"Train, sample and score generative methods.\n\nverbs (train if none is named):\n{verbs}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="key=value", help="what to choose and set, in Hydra's syntax")
    parser.add_argument("-m", "--multirun", action="store_true", help="run each combination of key=a,b,c")
    parser.add_argument("--cfg", action="store_true", help="print the composed configuration and stop")
    arguments = parser.parse_intermixed_args(argv)
    plain = [word for word in arguments.words if "=" not in word and not word.startswith("~")]
    arguments.verb = plain[0] if plain else "train"
    arguments.stray = plain[1:]
    arguments.overrides = [word for word in arguments.words if word not in plain]
    return arguments


def _run(arguments: argparse.Namespace) -> None:
    from genbench import config

    if arguments.verb not in VERBS:
        raise UserError(f"there is no verb {arguments.verb!r}{near(arguments.verb, VERBS)}")
    if arguments.stray:
        raise UserError(f"{arguments.stray[0]!r} is neither a verb nor key=value")
    if arguments.verb == "list":
        from genbench.commands.list import main as list_all

        return _print(list_all())
    if arguments.cfg:
        from omegaconf import OmegaConf

        config.check(arguments.verb, arguments.overrides, multirun=False, complete=False)
        return _print(OmegaConf.to_yaml(config.compose_config(arguments.verb, arguments.overrides)).rstrip("\n"))
    arguments.overrides = config.for_its_own_data(arguments.verb, arguments.overrides)
    config.check(arguments.verb, arguments.overrides, arguments.multirun)
    if arguments.multirun:
        arguments.overrides = config.for_a_sweep(arguments.overrides)
    return _run_hydra(arguments)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # As in `list | head`: who reads has enough. What is left in the buffer would be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_hydra(arguments: argparse.Namespace) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    from genbench import commands, config

    config.register_schemas()
    # Hydra reads sys.argv, and Lightning repeats it to start the other processes of a distributed run.
    sys.argv = [sys.argv[0], *arguments.overrides, *(["--multirun"] if arguments.multirun else [])]
    # Errors are to come through to `main`, which knows how to say them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    task = commands.load(arguments.verb)
    errors: list[UserError] = []

    def run(composed: DictConfig) -> None:
        # One run of a sweep that the user must mend does not keep the others from running.
        try:
            task(composed)
        except UserError as error:
            if arguments.multirun and HydraConfig.get().launcher._target_ != _IN_THIS_PROCESS:
                # In a job elsewhere this list is a copy: what is raised there is raised here when all jobs are over.
                raise SweepError(str(error)) from error
            errors.append(error)
            if arguments.multirun:
                print(f"genbench: {error}", file=sys.stderr)

    hydra.main(version_base="1.3", config_path=str(config.CONF), config_name=arguments.verb)(run)()
    if errors:
        raise errors[0] if not arguments.multirun else SweepError(f"{len(errors)} of the runs failed, see above")


if __name__ == "__main__":
    sys.exit(main())
