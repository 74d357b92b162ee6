#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run with real launchers, other users' rights and other roots.

What is not installed, or needs root, is skipped by name.
"""

import importlib.util
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
import unittest

from run_fixture import GIVE_UP_S, PATHS, Case, main
from run_ranks import MIB, Ranks

# Reads a file off the disk until it is in memory, goes into another root, where
# another file has its name, and reads both.
MOVES = """
import hashlib, os, sys, time

def look(file):
    seen = hashlib.sha256()
    while piece := file.read(1 << 16):
        seen.update(piece)
    print(seen.hexdigest())

def look_often(name):
    for _ in range(4):
        with open(name, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            look(file)
        time.sleep(0.05)

name, root = sys.argv[1:]
look_often(name)
file = open(name, "rb", buffering=0)
print(len(file.read(1 << 20)))
os.chroot(root)
look(file)
look_often(name)
"""


class Launchers(Ranks):
    """mpirun and torchrun."""

    def mpirun(self):
        if shutil.which("mpirun") is None:
            self.skipTest("mpirun is not installed")
        words = ["mpirun", "-n", "2", "--oversubscribe"]
        return words + (["--allow-run-as-root"] if os.getuid() == 0 else [])

    def test_mpirun_in_front_of_each_rank(self):
        program = self.program("OMPI_COMM_WORLD_RANK")
        plain = self.launch(*self.mpirun(), *program)
        done = self.launch(*self.mpirun(), *self.tool(), *program)
        self.expect_all(done, plain)
        self.expect_reports(2, "OMPI_COMM_WORLD_LOCAL_RANK")

    def test_mpirun_behind(self):
        program = self.program("OMPI_COMM_WORLD_RANK")
        plain = self.launch(*self.mpirun(), *program)
        done = self.launch(*self.tool("report-all"), *self.mpirun(), *program)
        self.expect_all(done, plain)
        self.expect_reports(1, "OMPI_COMM_WORLD_LOCAL_RANK")

    def test_mpirun_gets_a_ranks_exit_status(self):
        done = self.launch(*self.mpirun(), *self.tool(),
                           *self.program("OMPI_COMM_WORLD_RANK"), FAIL="1")
        self.assertEqual(done.returncode, 3, done.stderr)

    def torchrun(self, *options):
        if importlib.util.find_spec("torch") is None:
            self.skipTest("PyTorch is not installed")
        return [sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--nproc-per-node", "2", *options]

    def test_torchrun_in_front_of_each_rank(self):
        words = self.torchrun("--no-python")
        program = self.program("RANK")
        plain = self.launch(*words, *program)
        done = self.launch(*words, *self.tool(), *program)
        self.expect_all(done, plain)
        self.expect_reports(2, "LOCAL_RANK")

    def test_torchrun_behind(self):
        words = self.torchrun()
        program = self.program("RANK")[1:]
        plain = self.launch(*words, *program)
        done = self.launch(*self.tool("report-all"), *words, *program)
        self.expect_all(done, plain)
        self.expect_reports(1, "LOCAL_RANK")


class Rights(Case):
    """Programs that the library cannot, or must not, get into."""

    def setUp(self):
        super().setUp()
        if os.getuid() != 0:
            self.skipTest("needs root")
        self.nobody = pwd.getpwnam("nobody")
        os.chmod(self.folder, 0o755)
        with open(self.path("data"), "wb") as file:
            file.write(os.urandom(4 * MIB))
        shutil.copy(shutil.which("cat"), self.path("cat"))
        self.assertTrue(shutil.which("setpriv"))

    def as_nobody(self, *words):
        return ["setpriv", f"--reuid={self.nobody.pw_uid}",
                f"--regid={self.nobody.pw_gid}", "--clear-groups", *words]

    def expect_unseen(self, *program):
        """The same output with the tool and without, and nothing said."""
        report = self.path("report")
        shown = {"cwd": self.folder, "env": self.clean, "check": False,
                 "capture_output": True, "timeout": GIVE_UP_S}
        plain = subprocess.run(program, **shown)
        done = subprocess.run(
            [PATHS["tool"], "run", "--memory", "64MiB", "--report", "json",
             "--report-file", report, "--", *program], **shown)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (plain.returncode, plain.stdout, plain.stderr))
        return json.loads(self.text("report"))

    def test_setuid_program_is_left_alone(self):
        os.chown(self.path("cat"), 0, 0)
        os.chmod(self.path("cat"), 0o4755)
        os.chmod(self.path("data"), 0o600)  # only the owner's rights read it
        report = self.expect_unseen(
            *self.as_nobody(self.path("cat"), self.path("data")))
        self.assertEqual(report["feeder"]["memory_bytes"], 0)

    def test_setuid_program_of_another_user_is_left_alone(self):
        os.chown(self.path("cat"), self.nobody.pw_uid, self.nobody.pw_gid)
        os.chmod(self.path("cat"), 0o4755)
        report = self.expect_unseen(self.path("cat"), self.path("data"))
        self.assertEqual(report["feeder"]["memory_bytes"], 0)

    def test_program_with_file_capabilities_is_left_alone(self):
        setcap = shutil.which("setcap", path=os.environ["PATH"] + ":/sbin")
        if setcap is None:
            self.skipTest("setcap is not installed")
        subprocess.run([setcap, "cap_dac_read_search+ep", self.path("cat")],
                       check=True)
        os.chmod(self.path("data"), 0o600)
        report = self.expect_unseen(
            *self.as_nobody(self.path("cat"), self.path("data")))
        self.assertEqual(report["feeder"]["memory_bytes"], 0)

    def test_program_of_another_user_reads_by_itself(self):
        """It may not open the memory of a feeder that is root's."""
        self.expect_unseen(*self.as_nobody(self.path("cat"),
                                           self.path("data")))


class Roots(Case):
    """Programs in a root folder where neither we nor /proc are."""

    def setUp(self):
        super().setUp()
        if os.getuid() != 0:
            self.skipTest("needs root")
        self.root = self.path("root")
        self.data = self.path("data")
        for path in (self.data, self.inside(self.data)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(os.urandom(8 * MIB))
        time.sleep(0.15)  # a file that has just changed is left alone

    def drop(self):
        """Cached files are left to the kernel when they are opened."""
        for path in (self.data, self.inside(self.data)):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def inside(self, path):
        return self.root + path

    def add_reader(self):
        """cat, and the libraries and the linker that it needs."""
        cat = shutil.which("cat")
        listed = subprocess.run(["ldd", cat], check=True, capture_output=True,
                                text=True).stdout
        for path in re.findall(r"(/\S+) \(", listed):
            os.makedirs(os.path.dirname(self.inside(path)), exist_ok=True)
            shutil.copy(path, self.inside(path))
        shutil.copy(cat, self.inside("/reader"))

    def run_plain(self, *words, **env):
        return subprocess.run(words, cwd=self.folder, check=False,
                              env={**self.clean, **env}, capture_output=True,
                              timeout=GIVE_UP_S)

    def run_fed(self, *words):
        return self.run_plain(
            PATHS["tool"], "run", "--memory", "64MiB", "--report", "json",
            "--report-file", self.path("report"), "--", *words)

    def test_program_in_another_root_reads_by_itself(self):
        """Only the linker speaks: as with any library that is not there."""
        self.add_reader()
        chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin")
        program = [chroot, self.root, "/reader", self.data]
        preload = self.run_tool("printenv", "LD_PRELOAD").stdout.strip()
        plain = self.run_plain(*program, LD_PRELOAD=preload, FEEDGPU_BOARD="")
        done = self.run_fed(*program)
        with open(self.inside(self.data), "rb") as file:
            self.assertEqual(plain.stdout, file.read())
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, plain.stdout, plain.stderr))
        self.assertEqual(
            done.stderr.decode(),
            f"ERROR: ld.so: object '{preload}' from LD_PRELOAD cannot be "
            "preloaded (cannot open shared object file): ignored.\n")

    def test_program_that_changes_its_root_reads_on(self):
        program = [sys.executable, "-c", MOVES, self.data, self.root]
        plain = self.run_plain(*program)
        self.drop()
        done = self.run_fed(*program)
        self.assertEqual(len(set(plain.stdout.split())), 4, plain.stderr)
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (plain.returncode, plain.stdout, plain.stderr))
        feeder = json.loads(self.text("report"))["feeder"]
        self.assertGreater(feeder["memory_bytes"], 0)


if __name__ == "__main__":
    main(__doc__)
