# SPDX-License-Identifier: Apache-2.0
"""What the tests of launchers share: two ranks that read, and their reports.
"""

import glob
import json
import subprocess
import sys

from run_fixture import GIVE_UP_S, PATHS, Case

# Each rank reads its half of the files, and says who it is and what it saw.
RANK = """
import hashlib, os, sys
rank = int(os.environ[sys.argv[1]])
sums = [hashlib.sha256(open(p, "rb").read()).hexdigest()
        for p in sorted(sys.argv[2:])[rank::2]]
sys.stdout.write(" ".join([str(rank), *sums]) + "\\n")
sys.stdout.flush()
sys.exit(0 if "FAIL" not in os.environ else rank * 3)
"""

MIB = 1 << 20


class Ranks(Case):
    """Two ranks, each with a feeder of its own or one for both."""

    def setUp(self):
        super().setUp()
        self.data = [self.path(f"part{i}") for i in range(4)]
        for i, path in enumerate(self.data):
            with open(path, "wb") as file:
                file.write(bytes([i + 1]) * (3 * MIB))
        with open(self.path("rank.py"), "w", encoding="utf-8") as file:
            file.write(RANK)

    def launch(self, *words, **env):
        return subprocess.run(
            words, cwd=self.folder, env={**self.clean, **env},
            capture_output=True, text=True, errors="replace",
            timeout=GIVE_UP_S, check=False)

    def tool(self, report="report-%r"):
        return [PATHS["tool"], "run", "--memory", "64MiB", "--report", "json",
                "--report-file", self.path(report), "--"]

    def program(self, variable):
        return [sys.executable, self.path("rank.py"), variable, *self.data]

    def reports(self):
        found = []
        for path in sorted(glob.glob(self.path("report-*"))):
            with open(path, encoding="utf-8") as file:
                found.append(json.loads(file.read()))
        return found

    def expect_all(self, done, plain):
        self.assertEqual(done.returncode, plain.returncode, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()),
                         sorted(plain.stdout.splitlines()))
        self.assertEqual(len(plain.stdout.splitlines()), 2, plain.stderr)

    def expect_reports(self, count, variable):
        reports = self.reports()
        self.assertEqual(len(reports), count)
        for report in reports:
            self.assertTrue(report["fed"], report["unfed"])
            feeder = report["feeder"]
            self.assertGreaterEqual(feeder["files"], 4 // count)
            self.assertGreaterEqual(
                feeder["memory_bytes"] + feeder["kernel_bytes"],
                4 // count * 3 * MIB)
        if count == 2 and any(variable in r["home"]["why"] for r in reports):
            self.assertNotEqual(reports[0]["home"], reports[1]["home"])
