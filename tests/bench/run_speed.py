#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `feedgpu run` brings to programs, as ratios within each round.

    run_speed.py --build BUILD [--python PYTHON] [--rounds N] [--only WORD]
                 [--dir DIR] [--farfs FARFS] [--warm-memory MIB]

Each round runs a program plain and under the shim, one after the other, in
changing order; the ratio of the two is taken within the round, and the medians,
least and largest of both times and of the ratio are printed. Files are out of
the page cache before each run unless the case says cached. --python is an
interpreter with torch, --farfs the build's file system with a delay (needs
root); without them their cases are left out. --warm-memory: before each run,
have so much memory taken and freed: a virtual machine whose host takes free
memory back pays for it anew, at random.
"""

import argparse
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RECORD = 150528
MIB = 1 << 20
FAR_MS = 2

LOADER = """
import os, sys, time
import torch
from torch.utils.data import DataLoader, Dataset
folder, kind, workers, epochs = sys.argv[1:3] + [int(a) for a in sys.argv[3:]]
torch.set_num_threads(1)
class Shards(Dataset):
    def __init__(self):
        self.paths = sorted(os.path.join(folder, n) for n in os.listdir(folder))
        self.each = os.path.getsize(self.paths[0]) // 150528
        self.files = {}
    def __len__(self):
        return len(self.paths) * self.each
    def __getitem__(self, i):
        p = self.paths[i // self.each]
        f = self.files.get(p)
        if f is None:
            f = self.files[p] = open(p, "rb", buffering=0)
        f.seek(i % self.each * 150528)
        return torch.frombuffer(bytearray(f.read(150528)), dtype=torch.uint8)
class Files(Dataset):
    def __init__(self):
        self.paths = sorted(os.path.join(folder, n) for n in os.listdir(folder))
    def __len__(self):
        return len(self.paths)
    def __getitem__(self, i):
        with open(self.paths[i], "rb") as f:
            return torch.frombuffer(bytearray(f.read()), dtype=torch.uint8)
if __name__ == "__main__":
    data = Shards() if kind == "shards" else Files()
    for epoch in range(epochs):
        start = time.monotonic(); count = 0
        for batch in DataLoader(data, batch_size=64, num_workers=workers,
                                shuffle=kind == "shuffled"):
            count += batch.numel()
        print(time.monotonic() - start, count, flush=True)
"""


def drop(paths):
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def warm(paths):
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(8 * MIB):
                pass


def make(folder, count, size):
    os.makedirs(folder)
    paths = [os.path.join(folder, f"{i:05}.bin") for i in range(count)]
    block = os.urandom(min(size, 16 * MIB))
    for path in paths:
        with open(path, "wb") as file:
            left = size
            while left > 0:
                file.write(block[:left])
                left -= min(left, len(block))
    os.sync()
    return paths


class Bench:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.tool = os.path.join(args.build, "bin", "feedgpu")
        # Wherever the build has put it.
        self.reader = os.path.join(args.build, "tests", "bench",
                                   "bench_reader")
        self.rows = []

    def run(self, command, is_fed, memory="1GiB"):
        prefix = [self.tool, "run", "--memory", memory, "--report", "none",
                  "--"] if is_fed else []
        done = subprocess.run(prefix + command, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stderr[-500:]}")
        return done.stdout

    def prepare(self, paths, is_cached):
        """The same state before each run."""
        if is_cached:
            warm(paths)
        else:
            drop(paths)
        if self.args.warm_memory:
            memory = mmap.mmap(-1, self.args.warm_memory << 20,
                               mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            memory.madvise(14)  # MADV_HUGEPAGE
            memory.madvise(23)  # MADV_POPULATE_WRITE
            memory.close()
        time.sleep(0.2)

    def wanted(self, name):
        return self.args.only in name

    def compare(self, name, command, paths, want, **more):
        """Ratio plain/fed of the seconds of the last pass (a speed-up)."""
        if not self.wanted(name):
            return
        plain, fed, ratios = [], [], []
        for i in range(self.args.rounds):
            times = {}
            for is_fed in ((False, True) if i % 2 == 0 else (True, False)):
                self.prepare(paths, more.get("cached"))
                more.get("before", lambda: None)()
                times[is_fed] = self.seconds(command, is_fed, more)
            plain.append(times[False])
            fed.append(times[True])
            ratios.append(times[False] / times[True])
        self.add(name, plain, fed, ratios, want)

    def seconds(self, command, is_fed, more):
        """Of the last pass, as the program says; or of the whole program."""
        start = time.monotonic()
        out = self.run(command, is_fed, more.get("memory", "1GiB"))
        if more.get("whole"):
            return time.monotonic() - start
        return float(out.split("\n")[-2].split()[0])

    def bound(self, name, command, paths):
        """The most that any reading ahead could bring: no read waits for the
        disk, and nobody spends CPU time on reading ahead."""
        name = f"{name}: plain, cold beside all cached"
        if not self.wanted(name):
            return
        cold, cached = [], []
        for _ in range(self.args.rounds):
            self.prepare(paths, False)
            cold.append(self.seconds(command, False, {}))
            self.prepare(paths, True)
            cached.append(self.seconds(command, False, {}))
        self.add(name, cold, cached,
                 [a / b for a, b in zip(cold, cached)], "the most there is")

    def add(self, name, plain, fed, ratios, want):
        def show(values, digits):
            return (f"{statistics.median(values):.{digits}f} "
                    f"({min(values):.{digits}f}-{max(values):.{digits}f})")
        row = (name, show(plain, 3), show(fed, 3), show(ratios, 2), want)
        self.rows.append(row)
        print("| " + " | ".join(row) + " |", flush=True)


def later_epoch(bench, name, block_bytes, paths, want, way="files"):
    """Three passes: the last of a fed run while the page cache is emptied all
    the time, beside the last of a plain one that has it all cached."""
    if not bench.wanted(name):
        return
    plain, fed, ratios = [], [], []
    command = [bench.reader, way, str(block_bytes), "0", "3", *paths]
    for _ in range(bench.args.rounds):
        bench.prepare(paths, True)
        out = bench.run(command, False)
        plain.append(float(out.split("\n")[-2].split()[0]))
        bench.prepare(paths, False)
        evict = subprocess.Popen(
            [sys.executable, "-c", "import os, sys, time\n"
             "while True:\n"
             " for p in sys.argv[1:]:\n"
             "  fd = os.open(p, os.O_RDONLY)\n"
             "  os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)\n"
             "  os.close(fd)\n"
             " time.sleep(0.05)", *paths])
        try:
            out = bench.run(command, True, "2GiB")
        finally:
            evict.terminate()
            evict.wait()
        fed.append(float(out.split("\n")[-2].split()[0]))
        ratios.append(plain[-1] / fed[-1])
    bench.add(name, plain, fed, ratios, want)


def calls(bench):
    name = "a call that is not the shim's business, ns"
    if not bench.wanted(name):
        return
    command = [bench.reader, "calls", "3000000"]
    plain, fed = [], []
    for _ in range(bench.args.rounds):
        plain.append(float(bench.run(command, False)))
        fed.append(float(bench.run(command, True)))
    bench.add(name, plain, fed, [b - a for a, b in zip(plain, fed)],
              "difference <= 50")


def many_programs(bench, source):
    git = os.path.join(bench.folder, "git")
    subprocess.run(["git", "clone", "-q", source, git], check=True)
    bench.compare("a program that does nothing: starting and ending",
                  ["true"], [], "-", whole=True, cached=True)
    bench.compare("git status, 200 times",
                  ["bash", "-c", f"cd {git}; for ((i = 0; i < 200; i++)); "
                   "do touch README.md; git status >/dev/null; done"], [],
                  ">= 0.98", whole=True, cached=True)
    bench.compare("a compile",
                  ["bash", "-c", f"cd {git}; for f in runtime/*.c; do "
                   "cc -O1 -D_GNU_SOURCE -Iinclude -I. -c $f -o /dev/null "
                   "|| exit 1; done"], [], ">= 0.98", whole=True, cached=True)


def far(bench, near, name, paths_in):
    """Files on FUSE with a delay per request (tests/integration/farfs.c)."""
    name = f"{name}, {FAR_MS} ms per request"
    if not bench.args.farfs or not bench.wanted(name):
        return
    mount = os.path.join(bench.folder, "far")
    os.makedirs(mount, exist_ok=True)
    server = None

    def again():
        """A new mount has nothing in the page cache."""
        nonlocal server
        if server is not None:
            subprocess.run(["fusermount3", "-u", mount], check=True)
            server.wait()
        server = subprocess.Popen(
            [bench.args.farfs, near, mount, str(FAR_MS), "keep"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(mount):
            time.sleep(0.01)

    paths = [os.path.join(mount, path) for path in paths_in]
    try:
        bench.compare(name, [bench.reader, "files", "262144", "0", "1",
                             *paths], [], "-", before=again)
    finally:
        subprocess.run(["fusermount3", "-u", mount], check=True)
        server.wait()


def large_file(bench):
    reader = bench.reader
    big = make(os.path.join(bench.folder, "big"), 1, 1024 * MIB)
    bench.compare("one reader, 256 KiB, 300 us per MiB",
                  [reader, "files", "262144", "300", "1", *big], big, ">= 2")
    bench.compare("one reader, 256 KiB, no compute",
                  [reader, "files", "262144", "0", "1", *big], big, "-")
    for kib in (64, 16, 8, 4):
        bench.compare(f"one reader, {kib} KiB",
                      [reader, "files", str(kib << 10), "0", "1", *big], big,
                      "-")
    for kib in (256, 4):
        bench.compare(f"one reader, cached, {kib} KiB",
                      [reader, "files", str(kib << 10), "0", "3", *big], big,
                      ">= 0.98", cached=True)
    name = "second epoch, page cache evicted, beside a warm one"
    later_epoch(bench, name, MIB, big, ">= 0.9")
    later_epoch(bench, f"{name}, into malloc's memory", MIB, big, "-",
                "malloced")
    for kib in (4, 16, 64):
        later_epoch(bench, f"{name}, {kib} KiB", kib << 10, big, "-")
    far(bench, os.path.dirname(big[0]), "far away: one reader, 256 KiB",
        [os.path.basename(big[0])])
    os.unlink(big[0])


def large_unseen(bench):
    """Files that are read past the shim: in order, and at random."""
    large = make(os.path.join(bench.folder, "large"), 12, 64 * MIB)
    for way in ("fread", "mmap"):
        for passes in (1, 2):
            bench.compare(f"12 files of 64 MiB by {way}, pass {passes}",
                          [bench.reader, way, "262144", "0", str(passes),
                           *large], large, "-")
    bench.compare("one of 16 pages of each at random by mmap",
                  [bench.reader, "random", "4096", "0", "1", *large], large,
                  "-")
    shutil.rmtree(os.path.dirname(large[0]))


def small_files(bench, small):
    def walk(name, way, us, paths, want, passes=1, **more):
        bench.compare(name, [bench.reader, way, "262144", str(us),
                             str(passes), *paths], paths, want, **more)

    walk("a walk over 4000 files of 150 KB", "files", 0, small, ">= 2")
    for way in ("fread", "mmap"):
        walk(f"the same walk by {way}", way, 0, small, "-")
    for way in ("files", "fread", "mmap"):
        walk(f"the same walk by {way}, 300 us of compute a file", way, 2097,
             small, "-")
    far(bench, os.path.dirname(small[0]),
        "far away: a walk over 1000 files of 150 KB",
        [os.path.basename(path) for path in small[:1000]])
    tiny = make(os.path.join(bench.folder, "tiny"), 15000, 20000)
    for passes in (1, 5):
        walk(f"the same walk, cached, pass {passes}", "files", 0, small,
             ">= 0.98", passes, cached=True)
        walk(f"15000 files of 20 KB, cached, pass {passes}", "files", 0, tiny,
             ">= 0.98", passes, cached=True)
    shutil.rmtree(os.path.dirname(tiny[0]))


def loaders(bench, small):
    program = os.path.join(bench.folder, "loader.py")
    with open(program, "w", encoding="utf-8") as file:
        file.write(LOADER)
    loader = [bench.args.python, program]
    name = "DataLoader, 2 workers, files of 150 KB in order"
    command = loader + [os.path.dirname(small[0]), "files", "2", "1"]
    bench.compare(name, command, small, ">= 2")
    bench.bound(name, command, small)
    shards = make(os.path.join(bench.folder, "shards"), 8, 900 * RECORD)
    name = "DataLoader, 2 workers, raw shards"
    command = loader + [os.path.dirname(shards[0]), "shards", "2", "1"]
    bench.compare(name, command, shards, ">= 1.5")
    bench.bound(name, command, shards)


def run_all(bench):
    large_file(bench)
    large_unseen(bench)
    small = make(os.path.join(bench.folder, "small"), 4000, 150000)
    small_files(bench, small)
    if bench.args.python:
        loaders(bench, small)
    many_programs(bench, bench.args.source)
    calls(bench)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--dir")
    parser.add_argument("--farfs")
    parser.add_argument("--warm-memory", type=int, default=0)
    parser.add_argument("--source", default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="feedgpu-run-speed-", dir=args.dir)
    print("| case | plain s | fed s | ratio | wanted |\n|-|-|-|-|-|")
    try:
        run_all(Bench(args, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
