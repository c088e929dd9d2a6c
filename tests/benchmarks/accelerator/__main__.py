"""Measure on an accelerator, part by part, and write `docs/accelerator.md` and `docs/accelerator.json` as figures come.

    make accelerator

Only Python's own library is imported here: each part runs in a process of its own, with what the machine has and what
could be installed, so that one that fails, hangs or crashes takes nothing else with it. Without an accelerator all
parts run in a tiny form, which shows that they work.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tests.benchmarks.accelerator.environment import Interpreter
from tests.benchmarks.accelerator.page import cell, render
from tests.benchmarks.accelerator.plan import PARTS, Part
from tests.benchmarks.accelerator.record import Record

ROOT = Path(__file__).parents[3]
_LEAST_SECONDS = 15.0
"""A part that has less left is not begun: its process would hardly have imported torch."""

_FOR_TRAINING = 100.0
"""Seconds that the other parts leave for the last."""

_TO_BEGIN = 60.0
"""Seconds within which a process must say something: it imports torch from a disk that may be cold."""


class Session:
    """One call: its record, its page, its deadline.

    Args:
        python: the interpreter of the parts.
        record: of the figures.
        page: file of the page.
        options: words for the parts.
        deadline: in seconds of the monotonic clock.
        log: file of what the parts print.
    """

    def __init__(self, python: str, record: Record, page: Path, options: list[str], deadline: float, log: Path) -> None:
        self._python = python
        self._record = record
        self._page = page
        self._options = options
        self._deadline = deadline
        self._log = log

    def write(self) -> None:
        """Write the page; the record saves itself."""
        self._page.write_text(render(self._record.content))

    def run(self, part: Part, limited: bool) -> None:
        """Measure what is not done yet of a part, within its time; a row that crashes or hangs is left behind."""
        if self._record.is_done(part.name):
            return
        latest = self._deadline - (_FOR_TRAINING if limited else 0)
        end = min(latest, time.monotonic() + part.seconds) if limited else latest
        if end - time.monotonic() <= _LEAST_SECONDS:
            self._record.miss(part.name)
        tried: list[str] = []
        while (left := end - time.monotonic()) > _LEAST_SECONDS:
            before = len(tried)
            finished = self._run_once(part, tried, left, part.row_seconds if limited else left)
            # A process that got nowhere would get nowhere again.
            if finished or len(tried) == before:
                break
        self.write()

    def _run_once(self, part: Part, tried: list[str], seconds: float, row_seconds: float) -> bool:
        """Run a part's process; return whether it came to its end. `tried` grows by the rows that it took up."""
        skip = [*self._record.done(part.name), *tried]
        words = [*self._options, f"--seconds={seconds:.0f}", f"--skip={json.dumps(skip)}"]
        command = [self._python, "-m", "tests.benchmarks.accelerator.part", part.name, *words]
        end, row, row_end = time.monotonic() + seconds, "", time.monotonic() + min(seconds, _TO_BEGIN)
        # What a compiler has half written when it is killed would break the next one, here and in the user's own work.
        caches = tempfile.mkdtemp()
        own = dict.fromkeys(("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"), caches)
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=ROOT,
                env=os.environ | own,
            )  # fmt: skip
        lines = _lines_of(process)
        try:
            while True:
                try:
                    line = lines.get(timeout=max(0.0, min(end, row_end) - time.monotonic()))
                except Empty:
                    # A row that the part's end cuts short has not failed: the page lists it as not reached.
                    if not row or row_end < end:
                        self._fail(part, row, f"not done within {row_seconds:.0f} s" if row else "it did not begin")
                    return not row
                if line is None:
                    status = _status_of(process)
                    message = f"its process ended with status {status}: {self._last_words()}"
                    if status and row:
                        self._fail(part, row, message)
                    elif status and not tried:
                        self._record.fail(part.name, message)
                    return status == 0
                said = json.loads(line)
                if "rows" in said:
                    self._record.plan(part.name, said["rows"])
                elif "begin" in said:
                    row = said["begin"]
                    tried.append(row)
                    row_end = min(end, time.monotonic() + row_seconds)
                else:
                    row, row_end = "", end
                    self._keep(part, said)
        finally:
            _end(process)
            shutil.rmtree(caches, ignore_errors=True)

    def _keep(self, part: Part, said: dict[str, Any]) -> None:
        content = {key: said[key] for key in ("figures", "failed") if key in said}
        self._record.add(part.name, said["row"], **content)
        shown = said.get("failed") or ", ".join(f"{key} {cell(value)}" for key, value in said["figures"].items())
        print(f"{part.name}, {said['row']}: {shown}", flush=True)
        self.write()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {self._log}"

    def _fail(self, part: Part, row: str, message: str) -> None:
        if row:
            self._keep(part, {"row": row, "failed": message})
        else:
            self._record.fail(part.name, message)


def _lines_of(process: "subprocess.Popen[bytes]") -> "Queue[bytes | None]":
    """Return a queue of the lines that a process writes, and None at its end."""
    lines: Queue[bytes | None] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _status_of(process: "subprocess.Popen[bytes]") -> int:
    """Return the status of a process that has closed its output; one that hangs at its end has done its work."""
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        return 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def facts_of(python: str, options: list[str]) -> dict[str, Any]:
    """Return what the interpreter of the parts says of itself and its device."""
    command = [python, "-m", "tests.benchmarks.accelerator.facts", *options]
    try:
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"accelerator: {python} did not say within 2 minutes what it runs on") from None
    if done.returncode:
        reason = (done.stderr.strip() or "no word").splitlines()[-1]
        raise SystemExit(
            f"accelerator: {reason if done.returncode == 2 else f'{python} can not run GenBench ({reason})'}"
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="make accelerator", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="after which it ends, whatever is left")
    parser.add_argument("--images", help="folder of train.zip or train/, classes of photographs, to train on")
    parser.add_argument("--again", action="store_true", help="forget this machine's figures")
    parser.add_argument("--tiny", action="store_true", help="the tiny form also where there is an accelerator")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="parts to measure")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the page and its figures")
    arguments = parser.parse_args(argv)
    out, images = arguments.out.absolute(), _images(arguments.images)
    try:
        out.mkdir(parents=True, exist_ok=True)
        log = out / "accelerator.log"
        log.write_text("")
        # Two calls would lose each other's figures, and measure each other.
        lock = (out / ".accelerator.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"accelerator: another call writes to {out}: wait for its end") from None
    except OSError as error:
        raise SystemExit(f"accelerator: {error.filename or out} can't be written: {error.strerror}") from None
    interpreter = Interpreter(ROOT, ROOT / ".venv-accelerator")
    paths = [str(ROOT / "src"), str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    found = facts_of(interpreter.path, ["--tiny"] if arguments.tiny else [])
    if interpreter.missing:
        found["facts"]["did without"] = ", ".join(interpreter.missing)
    if interpreter.installed:
        found["facts"]["installed for this"] = ", ".join(interpreter.installed)
    record = Record(out / "accelerator.json", found["machine"], found["facts"])
    if arguments.again:
        record.forget()
    record.save()
    options = [f"--out={out}", *(["--tiny"] if found["facts"]["form"] == "tiny" else [])]
    if images is not None:
        options.append(f"--images={images}")
    session = Session(
        interpreter.path, record, out / "accelerator.md", options, began + 60 * arguments.minutes - 5, log
    )
    print(f"{found['machine']}; ready after {time.monotonic() - began:.0f} s; what the parts print: {log}", flush=True)
    chosen = [part for part in PARTS if not arguments.only or part.name in arguments.only]
    for part in chosen:
        session.run(part, limited=part is not PARTS[-1])
    session.write()
    lock.close()
    print(f"{out / 'accelerator.md'} after {time.monotonic() - began:.0f} s", flush=True)
    return 0


def _images(folder: str | None) -> Path | None:
    """Return the folder of photographs, after a look whether there are any."""
    if folder is None:
        return None
    path = Path(folder).expanduser().absolute()
    if not ((path / "train.zip").is_file() or (path.is_dir() and any(path.iterdir()))):
        raise SystemExit(f"accelerator: IMAGES={folder} holds neither train.zip nor folders of photographs")
    return path


if __name__ == "__main__":
    # As Ctrl-C does: the processes of the parts, which are sessions of their own, end with this one.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("accelerator: interrupted; a second call goes on")
