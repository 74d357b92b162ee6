#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run with Slurm: a real srun, of a cluster with this one machine.

The cluster is private: its daemons are children of this test, on ports of
their own, and keep everything in one folder. They end with it, even if it is
killed. What is not installed, needs root, or does not come up here, is
skipped with the reason.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from run_fixture import GIVE_UP_S, main, wait_for
from run_ranks import Ranks

PROGRAMS = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"

# The node may have fewer CPUs than it says, and no plugin needs cgroups.
CONF = """\
ClusterName=feedgpu
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/socket/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/linear
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes={host} Default=YES State=UP
"""


def become_subreaper():
    """Slurm's orphans become children of this process, to be waited for."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def is_alone():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def kill_children():
    path = f"/proc/self/task/{os.getpid()}/children"
    with open(path, encoding="utf-8") as file:
        for pid in file.read().split():
            os.kill(int(pid), signal.SIGKILL)


class Cluster:
    """munged, slurmctld and slurmd in a folder; start() and then end()."""

    def __init__(self):
        self.children = []
        self.folder = tempfile.mkdtemp(prefix="feedgpu-slurm-")
        self.env = {**os.environ, "SLURM_CONF": self.path("slurm.conf")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            os.chmod(self.path(name), 0o600)
            file.write(content)

    def configure(self):
        os.chmod(self.folder, 0o755)  # munged wants all to reach its socket
        for name, mode in (("key", 0o700), ("socket", 0o755),
                           ("state", 0o755), ("spool", 0o755)):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), mode)
        self.write("key/key", os.urandom(1024))
        free = [socket.create_server(("", 0)) for _ in range(2)]
        conf = CONF.format(
            folder=self.folder, host=socket.gethostname().partition(".")[0],
            ports=[server.getsockname()[1] for server in free])
        for server in free:
            server.close()
        self.write("slurm.conf", conf.encode())
        self.write("cgroup.conf", b"CgroupPlugin=cgroup/v1\n")
        self.write("plugstack.conf", b"")

    def daemon(self, name, *options):
        """Start one; the test's end, whatever its reason, is its own."""
        with open(self.path(f"{name}.log"), "wb") as log:
            self.children.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM",
                 shutil.which(name, path=PROGRAMS), *options],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT))

    def wait_until(self, what, name):
        """None when what() is true, else the last line of a daemon's log."""
        until = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until and self.children[-1].poll() is None:
            if what():
                return None
            time.sleep(0.05)
        with open(self.path(f"{name}.log"), encoding="utf-8",
                  errors="replace") as file:
            lines = file.read().split("\n")
        return f"{name} does not come up here: " + "".join(
            [line for line in lines if line][-1:])

    def start(self):
        """None, or why there is no cluster."""
        self.configure()
        where = [f"--{what}={self.path(name)}" for what, name in (
            ("key-file", "key/key"), ("socket", "socket/munge"),
            ("log-file", "key/log"), ("seed-file", "key/seed"),
            ("pid-file", "socket/pid"))]
        self.daemon("munged", "--foreground", *where)
        failed = self.wait_until(
            lambda: os.path.exists(self.path("socket/munge")), "munged")
        if failed:
            return failed
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D")
        return self.wait_until(self.is_idle, "slurmd")

    def is_idle(self):
        return subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=self.env,
            capture_output=True, text=True, timeout=GIVE_UP_S,
            check=False).stdout == "idle\n"

    def end(self):
        """End all of it, and what it has started."""
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(GIVE_UP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        try:
            wait_for(is_alone)
        finally:
            while not is_alone():
                kill_children()
                time.sleep(0.005)
            shutil.rmtree(self.folder)


class Slurm(Ranks):
    """srun starts ranks through slurmd: they are no children of srun's."""

    @classmethod
    def setUpClass(cls):
        for name in ("munged", "slurmctld", "slurmd", "srun", "setpriv"):
            if shutil.which(name, path=PROGRAMS) is None:
                raise unittest.SkipTest(f"{name} is not installed")
        if os.getuid() != 0:
            raise unittest.SkipTest("Slurm's daemons need root")
        become_subreaper()
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.end)
        failed = cls.cluster.start()
        if failed:
            raise unittest.SkipTest(failed)

    def srun(self, *words, before=(), **env):
        return self.launch(*before, "srun", "-n", "2", *words,
                           SLURM_CONF=self.cluster.path("slurm.conf"), **env)

    def test_srun_in_front_of_each_rank(self):
        program = self.program("SLURM_PROCID")
        plain = self.srun(*program)
        done = self.srun(*self.tool(), *program)
        self.expect_all(done, plain)
        self.expect_reports(2, "SLURM_LOCALID")

    def test_srun_behind(self):
        program = self.program("SLURM_PROCID")
        plain = self.srun(*program)
        done = self.srun(*program, before=self.tool("report-all"))
        self.expect_all(done, plain)
        self.expect_reports(1, "SLURM_LOCALID")

    def test_srun_gets_a_ranks_exit_status(self):
        done = self.srun(*self.tool(), *self.program("SLURM_PROCID"),
                         FAIL="1")
        self.assertEqual(done.returncode, 3, done.stderr)


if __name__ == "__main__":
    main(__doc__)
