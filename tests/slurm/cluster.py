"""A real SLURM on this machine: munged, slurmctld and one slurmd for each emulated node, on loopback alone."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue")
_HOSTS = Path("/etc/hosts")
_MARK = "# genbench test node"


def why_not() -> str | None:
    """Return why there can be no cluster here, or None."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"no SLURM: {', '.join(missing)} not found (Debian: apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "SLURM's daemons need root"


class Cluster:
    """Start a cluster; `stop` ends exactly what it started.

    Args:
        work: an empty folder for its state.
        nodes: how many nodes it pretends to have, of two cores each.
    """

    def __init__(self, work: Path, nodes: int = 2) -> None:
        self._pids: list[Path] = []
        self._work = work
        self._names = [f"gb{index}" for index in range(1, nodes + 1)]
        ports = _free_ports(nodes + 1)
        work.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": str(work / "slurm.conf"),
        }
        self._start_munge()
        (work / "slurm.conf").write_text(self._configuration(ports))
        self._daemon("slurmctld", "-c", "-f", work / "slurm.conf")
        self._pids.append(work / "slurmctld.pid")
        # Nodes have names that resolve, as on a cluster.
        with _HOSTS.open("a") as file:
            file.writelines(f"127.0.0.1 {name} {_MARK}\n" for name in self._names)
        for name in self._names:
            (work / "spool" / name).mkdir(parents=True)
            self._daemon("slurmd", "-N", name, "-f", work / "slurm.conf")
            self._pids.append(work / f"slurmd-{name}.pid")
        self._wait_for_nodes()

    def run(self, *command: str | Path, **options: object) -> str:
        """Run a command of SLURM and return what it printed."""
        result = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            **options,  # type: ignore[call-overload]
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return str(result.stdout)

    def states(self, job: str) -> list[str]:
        """Return the states of a job's tasks, finished ones too."""
        return self.run("squeue", "-h", "-a", "-r", "-t", "all", "-o", "%T", "-j", job).split()

    def wait(self, job: str, seconds: float = 240) -> list[str]:
        """Wait until all tasks of a job have ended and return their states."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.states(job)
            if states and not {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED"} & set(states):
                return states
            time.sleep(0.3)
        raise TimeoutError(f"job {job} after {seconds} s: {self.states(job)}")

    def stop(self) -> None:
        """End the jobs and the daemons."""
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", "--user=root", "--quiet"], env=self.environment, check=False, timeout=30)
        for file in reversed(self._pids):
            if file.is_file():
                _end(int(file.read_text()))
        kept = [line for line in _HOSTS.read_text().splitlines(keepends=True) if not line.rstrip().endswith(_MARK)]
        _HOSTS.write_text("".join(kept))

    def _start_munge(self) -> None:
        folder = self._work / "munge"
        folder.mkdir(mode=0o700)
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        self._daemon("munged", "--force", *(f"--{option}={folder / name}" for option, name in names.items()))
        self._pids.append(folder / "pid")

    def _configuration(self, ports: list[int]) -> str:
        host, work = socket.gethostname().split(".")[0], self._work
        settings = {
            "ClusterName": "genbench",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": ports[-1],
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            # A requeued job waits as long as a credential lives, which is two minutes if nothing is said.
            "AuthInfo": f"socket={work / 'munge' / 'socket'},cred_expire=10",
            "StateSaveLocation": work / "state",
            "SlurmdSpoolDir": work / "spool" / "%n",
            "SlurmctldPidFile": work / "slurmctld.pid",
            "SlurmdPidFile": work / "slurmd-%n.pid",
            "SlurmctldLogFile": work / "slurmctld.log",
            "SlurmdLogFile": work / "slurmd-%n.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "JobRequeue": 1,
            "MinJobAge": 3600,
            "KillWait": 5,
            "SchedulerParameters": "sched_interval=1,batch_sched_delay=0,bf_interval=1",
            "PriorityType": "priority/basic",
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines += [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN"
            for name, port in zip(self._names, ports, strict=False)
        ]
        # More tasks than cores: the tests' networks are tiny.
        nodes = ",".join(self._names)
        lines.append(f"PartitionName=main Nodes={nodes} Default=YES OverSubscribe=FORCE:4 MaxTime=INFINITE")
        return "\n".join(lines) + "\n"

    def _daemon(self, *command: str | Path) -> None:
        # Daemons keep what they are given open, so nothing of theirs goes into a pipe.
        with (self._work / "daemons.log").open("a") as log:
            words = [str(word) for word in command]
            subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    def _wait_for_nodes(self) -> None:
        for _ in range(120):
            states = self.run("sinfo", "-h", "-N", "-o", "%T").split()
            if len(states) == len(self._names) and set(states) <= {"idle", "mixed", "allocated"}:
                return
            time.sleep(0.25)
        raise TimeoutError(f"nodes: {states}; {(self._work / 'daemons.log').read_text()}")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _end(pid: int) -> None:
    for number in (15, 9):
        for _ in range(20):
            try:
                os.kill(pid, number if _ == 0 else 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
