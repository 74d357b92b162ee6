#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run on files that the page cache has: it keeps out of the way, and
is there again as soon as they are not cached any more."""

import hashlib
import json
import os
import subprocess
import sys
import unittest

from run_fixture import Case, main

SMALL = 20000
FED = ("ext2/ext3", "xfs", "btrfs", "f2fs", "overlayfs")

# Reads the files that it is told of, one after the other, in one read or by
# blocks, and says what it saw.
READER = """
import ctypes, hashlib, sys
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.fread.restype = ctypes.c_void_p
buffer = ctypes.create_string_buffer(1 << 18)
def fread(path):
    file = ctypes.c_void_p(libc.fopen(path.encode(), b"rb"))
    got = libc.fread(buffer, 1, 1 << 18, file)
    libc.fclose(file)
    return buffer.raw[:got]
total = hashlib.sha256()
for line in open(sys.argv[1]):
    path = line.strip()
    if path.endswith("fread"):
        total.update(fread(path))
        continue
    with open(path, "rb", buffering=0) as file:
        if path in sys.argv[2:]:
            file.seek(-1000, 2)
            file.read(1 << 18)
            file.seek(0)
        while block := file.read(1 << 18):
            total.update(block)
print(total.hexdigest())
"""


def is_fed(folder):
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder],
                          capture_output=True, text=True, check=False).stdout
    return kind.strip() in FED


class Cached(Case):
    def setUp(self):
        super().setUp()
        if not is_fed(self.folder):
            self.skipTest("the folder is on no file system that is fed")

    def make(self, folder, count, size, end="bin"):
        os.makedirs(self.path(folder), exist_ok=True)
        paths = [self.path(f"{folder}/{i:05}.{end}") for i in range(count)]
        block = os.urandom(size + count)
        for i, path in enumerate(paths):
            with open(path, "wb") as file:
                file.write(block[i:i + size])
        os.sync()
        return paths

    def drop(self, paths):
        for path in paths:
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0,
                                 os.POSIX_FADV_DONTNEED)

    def read(self, paths, ends=()):
        """What the feeder says of a reader of these files, of some the end
        first; the bytes read were those that are there."""
        total = hashlib.sha256()
        cold = [path for path in paths if path.startswith(self.path("cold"))]
        for path in paths:
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    total.update(file.read())
        self.drop(cold)
        with open(self.path("list"), "w", encoding="utf-8") as file:
            file.write("\n".join(paths))
        done = self.run_tool(
            sys.executable, "-c", READER, self.path("list"), *ends,
            options=("--report", "json", "--report-file", self.path("report"),
                     "--memory", "256MiB", "--min-file-bytes", "4KiB"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.said = done.stdout.strip()
        self.expected = total.hexdigest()
        return json.loads(self.text("report").splitlines()[-1])["feeder"]

    def test_small_cached_files_are_hardly_looked_at(self):
        paths = self.make("warm", 3000, SMALL)
        feeder = self.read(paths)
        self.assertEqual(self.said, self.expected)
        self.assertLess(feeder["events"], 1500)
        self.assertGreaterEqual(feeder["opens"], 2900)
        self.assertGreaterEqual(feeder["kernel_bytes"], 2900 * SMALL)

    def test_cold_files_after_them_are_read_ahead(self):
        paths = self.make("warm", 1000, SMALL) + self.make("cold", 2000, 100000)
        feeder = self.read(paths)
        self.assertEqual(self.said, self.expected)
        self.assertGreater(feeder["memory_bytes"], 500 * 100000)

    def test_cold_files_after_them_are_warmed_for_fread(self):
        paths = self.make("warm", 1000, SMALL, "fread")
        paths += self.make("cold", 2000, 100000, "fread")
        feeder = self.read(paths)
        self.assertEqual(self.said, self.expected)
        self.assertGreater(feeder["warmed_bytes"], 500 * 100000)
        self.assertLess(feeder["ahead_bytes"], 100 * 100000)

    def test_large_cold_file_among_them_is_served(self):
        paths = self.make("warm", 1000, SMALL)
        large = self.make("cold", 1, 64 << 20)
        for ends in ([], large):
            feeder = self.read(paths[:900] + large + paths[900:], ends)
            self.assertEqual(self.said, self.expected)
            self.assertGreater(feeder["memory_bytes"], 32 << 20)

    def test_waiting_for_a_pipe_is_no_read_of_a_file(self):
        paths = self.make("warm", 1000, SMALL)
        pipes = [self.path(f"pipe{i}") for i in range(4)]
        for path in pipes:
            os.mkfifo(path)
        script = "".join(f"sleep 0.25; echo hello >{path};" for path in pipes)
        with subprocess.Popen(["sh", "-c", script]) as writer:
            feeder = self.read(paths + pipes)
            writer.wait()
        self.assertLess(feeder["kernel_s"], 0.5)


if __name__ == "__main__":
    unittest.installHandler()
    main(__doc__)
