"""A real Slurm of one node for tests: munged, slurmctld and slurmd in a folder of their own, without systemd.

By hand, to try something: `python -m tests.reliability.cluster COMMAND...` runs a command with it.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "srun")
LIBC = ctypes.CDLL(None)
BEGINS_S = 30  # the longest that a daemon is waited for
CONF = """ClusterName=learnerkit
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MpiDefault=none
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=30
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 Port={slurmd_port} CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=usual Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20 OverSubscribe=NO
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF OverSubscribe=NO
"""


def missing():
    """What of Slurm is not there, in words; '' where all is."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    lost = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if lost:
        return f"{', '.join(lost)} not found; apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "needs root, as its daemons do"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    """The daemons of one node.

    folder: theirs, on a file system that the jobs see too; cpus: that the node says to have.
    """

    def __init__(self, folder, cpus=4):
        self.folder, self.cpus, self.daemons = Path(folder), cpus, []
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        ports = {"ctld_port": free_port(), "slurmd_port": free_port()}
        (self.folder / "slurm.conf").write_text(CONF.format(folder=self.folder, host=host, cpus=self.cpus, **ports))
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        kept = [f"--{name}={self.folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", *kept)
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._daemon("slurmctld", "-D", "-c")
        self._daemon("slurmd", "-D", "-N", host)
        self._wait(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), "slurmctld and slurmd")

    def _daemon(self, *command):
        path = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        with (self.folder / f"{command[0]}.out").open("ab") as out:
            one = subprocess.Popen(
                [path, *command[1:]],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=lambda: LIBC.prctl(1, signal.SIGTERM),  # they end with this process, however it ends
            )
        self.daemons.append(one)

    def _wait(self, ready, what):
        until = time.monotonic() + BEGINS_S
        while not ready():
            ended = [one.args[0] for one in self.daemons if one.poll() is not None]
            if ended or time.monotonic() > until:
                raise RuntimeError(f"{what}: {f'{ended} ended' if ended else 'not ready'}\n{self.logs()}")
            time.sleep(0.1)

    def logs(self):
        """The ends of the logs of all daemons."""
        found = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in found)

    def ask(self, *command):
        """The output of a client program; '' where it fails."""
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **self.environment})
        return done.stdout if done.returncode == 0 else ""

    def jobs(self):
        """State by id of the jobs that the controller knows."""
        found = re.findall(r"JobId=(\d+).*?JobState=(\w+)", self.ask("scontrol", "show", "jobs", "-o"))
        return dict(found)

    def stop(self):
        """End all jobs and daemons."""
        if len(self.daemons) > 1:
            self.ask("scancel", "--user=root")
            until = time.monotonic() + 10
            while self.ask("squeue", "-h") and time.monotonic() < until:
                time.sleep(0.2)
        for one in reversed(self.daemons):
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        self.daemons = []


def main(command):
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(folder))
        sys.exit(subprocess.run(command or ["sinfo"], env={**os.environ, **cluster.environment}).returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
