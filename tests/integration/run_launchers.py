#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run with real launchers and programs of other users' rights.

What is not installed, or needs root, is skipped by name.
"""

import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
import unittest

from run_fixture import GIVE_UP_S, PATHS, Case, main
from run_ranks import MIB, Ranks


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


if __name__ == "__main__":
    main(__doc__)
