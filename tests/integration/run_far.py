#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run on files that are far away: FUSE, with a delay per request.

Files are not served from memory there, but the page cache can be filled ahead
where it outlives an open; where it does not, they are best left alone.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from run_fixture import GIVE_UP_S, Case, main, wait_for

FARFS = os.environ.get("FEEDGPU_TEST_FARFS", "")
MIB = 1 << 20
DELAY_MS = 2

# Reads files in blocks, computes a little, and says what it saw.
READER = """
import hashlib, sys, time
total = hashlib.sha256()
for path in sys.argv[3:]:
    with open(path, "rb", buffering=0) as file:
        while block := file.read(int(sys.argv[1])):
            total.update(block)
            if float(sys.argv[2]) > 0:
                time.sleep(float(sys.argv[2]))
print(total.hexdigest())
"""


def can_mount():
    return (os.path.exists(FARFS) and os.access("/dev/fuse", os.W_OK) and
            os.geteuid() == 0 and shutil.which("fusermount3") is not None)


@unittest.skipUnless(can_mount(), "no FUSE here, or not root")
class Far(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("near"))
        os.mkdir(self.path("far"))
        self.server = None

    def make(self, count, size):
        """Files of random bytes; their paths on the far side, and their sum."""
        total = hashlib.sha256()
        names = [f"{i:04}.bin" for i in range(count)]
        for name in names:
            block = os.urandom(size)
            total.update(block)
            with open(self.path(f"near/{name}"), "wb") as file:
                file.write(block)
        return [self.path(f"far/{n}") for n in names], total.hexdigest()

    def mount(self, kind, delay_ms=DELAY_MS):
        self.server = subprocess.Popen(
            [FARFS, self.path("near"), self.path("far"), str(delay_ms), kind],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.unmount)
        wait_for(lambda: os.path.ismount(self.path("far")))

    def unmount(self):
        """What was asked of the file system: opens, reads, bytes."""
        if self.server.poll() is None:
            subprocess.run(["fusermount3", "-u", self.path("far")], check=True)
            self.server.wait(timeout=GIVE_UP_S)
            self.asked = [int(n) for n in
                          re.findall(r"\d+", self.server.stdout.read())]
        return self.asked

    def read(self, paths, seconds_per_block, block_bytes=1 << 18):
        """The reader's words, and the report."""
        done = self.run_tool(
            sys.executable, "-c", READER, str(block_bytes),
            str(seconds_per_block), *paths,
            options=("--data-root", self.path("far"), "--report", "json",
                     "--report-file", self.path("report")))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.strip(), json.loads(self.text("report"))

    def test_walk_is_warmed_where_pages_are_kept(self):
        paths, total = self.make(300, 150000)
        self.mount("keep")
        seen, report = self.read(paths, 0.002)
        opens = self.unmount()[0]
        self.assertEqual(seen, total)
        self.assertEqual(report["feeder"]["kept_bytes"], 0)
        self.assertGreater(report["feeder"]["warmed_bytes"], 100 * 150000)
        self.assertGreater(report["feeder"]["predictions_hit"], 100)
        # Each once by the program and once by us, and a few more.
        self.assertLess(opens, 2 * len(paths) + 50)

    def test_nothing_is_opened_where_pages_are_dropped(self):
        paths, total = self.make(300, 150000)
        self.mount("drop")
        seen, report = self.read(paths, 0.002)
        opens, _, bytes_read = self.unmount()
        self.assertEqual(seen, total)
        self.assertEqual(report["feeder"]["warmed_bytes"], 0)
        # But for those that show how the device is, in threads of the pool.
        self.assertLess(opens, len(paths) + 50)
        self.assertLess(bytes_read, 300 * 150000 + 50 * MIB // 4)

    def test_one_file_is_warmed_ahead_of_its_reader(self):
        paths, total = self.make(1, 256 * MIB)  # 1024 reads
        self.mount("keep")
        seen, report = self.read(paths, 0.001)
        opens, _, bytes_read = self.unmount()
        self.assertEqual(seen, total)
        self.assertGreater(report["feeder"]["warmed_bytes"], 192 * MIB)
        self.assertLessEqual(report["feeder"]["warmed_bytes"], 256 * MIB)
        self.assertLess(opens, 20)
        self.assertLess(bytes_read, 258 * MIB)

    def test_small_reads_are_warmed_ahead_too(self):
        paths, total = self.make(1, 96 * MIB)
        self.mount("keep")
        seen, report = self.read(paths, 0, 8000)
        opens, _, bytes_read = self.unmount()
        self.assertEqual(seen, total)
        self.assertGreater(report["feeder"]["warmed_bytes"], 64 * MIB)
        self.assertLess(report["feeder"]["events"], 4000)
        self.assertLess(opens, 20)
        self.assertLess(bytes_read, 98 * MIB)

    def test_errors_are_the_file_systems_own(self):
        paths, _ = self.make(40, 150000)
        self.mount("keep", 50)
        script = ("import os, sys\n"
                  "seen = []\n"
                  "for i, path in enumerate(sys.argv[2:]):\n"
                  "    if i == 20:\n"
                  "        os.kill(int(sys.argv[1]), 9)\n"
                  "    try:\n"
                  "        seen.append(len(open(path, 'rb').read()))\n"
                  "    except OSError as error:\n"
                  "        seen.append(error.errno)\n"
                  "print(*seen)\n")
        done = self.run_tool(sys.executable, "-c", script,
                             str(self.server.pid), *paths)
        subprocess.run(["fusermount3", "-u", "-z", self.path("far")],
                       check=True)
        self.server.wait(timeout=GIVE_UP_S)
        self.asked = []
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        seen = [int(word) for word in done.stdout.split()]
        self.assertEqual(seen[:20], [150000] * 20)
        # ECONNABORTED while it goes, ENOTCONN when it is gone.
        self.assertLessEqual(set(seen[20:]), {103, 107})


if __name__ == "__main__":
    main(__doc__)
