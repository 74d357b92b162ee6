#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure what feedgpu promises, as ratios within one run.

    tests/bench/speed.py --build build/release [--dir DIR] [--rounds 5]

Each case is run `rounds` times, in turn with what it is compared to, so that
a machine that becomes slower slows both. A ratio is taken within each round;
its median is quoted, with the least and the largest. Prints Markdown. Nothing
here passes or fails: the numbers are for people.

Needs fio and zstd; as root, it reserves huge pages for fio while it runs.
"""

import argparse
import json
import os
import platform
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time

RECORD = 150528  # 224 x 224 x 3: a multiple of 512
UNALIGNED = 150001  # needs one memcpy
MIB = 1 << 20


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"speed.py: {' '.join(command)}: status {done.returncode}\n"
                 f"{done.stdout}{done.stderr}")
    return done.stdout


def uncache(path):
    os.sync()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cache(path):
    with open(path, "rb") as file:
        while file.read(16 * MIB):
            pass


class Bench:
    """Runs the programs and remembers each figure of each round."""

    def __init__(self, options):
        self.feedgpu = os.path.join(options.build, "bin", "feedgpu")
        self.memcpy = os.path.join(options.build, "tests", "bench",
                                   "bench_memcpy")
        self.dir = options.dir
        self.rounds = options.rounds
        self.figures = {}  # name -> [value of each round]

    def note(self, name, value):
        self.figures.setdefault(name, []).append(value)
        return value

    def bench(self, name, *arguments):
        """feedgpu bench; notes NAME (GB/s) and NAME cpu (s/GB)."""
        out = run([self.feedgpu, "bench", "--json", *arguments])
        report = json.loads(out.strip().splitlines()[-1])
        self.note(name, report["bytes_per_s"] / 1e9)
        self.note(name + " cpu", report["cpu_s_per_gb"])
        return report

    def fio(self, name, path, *arguments):
        out = run(["fio", "--name=read", f"--filename={path}", "--rw=read",
                   "--bs=1M", "--iodepth=16", "--direct=1", "--readonly",
                   "--ioengine=io_uring", "--output-format=json", *arguments])
        job = json.loads(out[out.index("{"):])["jobs"][0]
        return self.note(name, job["read"]["bw_bytes"] / 1e9)

    def copy(self, name, piece, ring_mib=256):
        out = json.loads(run([self.memcpy, str(ring_mib), str(piece), "4096"]))
        self.note(name, out["bytes_per_s"] / 1e9)
        self.note(name + " cpu", out["cpu_s_per_gb"])

    def show(self, name, unit, scale=1.0):
        values = [value * scale for value in self.figures[name]]
        return (f"{statistics.median(values):.4g} {unit} "
                f"({min(values):.4g}-{max(values):.4g})")

    def ratio(self, name, other):
        values = [a / b for a, b in zip(self.figures[name],
                                        self.figures[other])]
        return (f"{statistics.median(values):.2f} "
                f"({min(values):.2f}-{max(values):.2f})")


class HugePages:
    """Reserve 2 MiB pages for fio, and give them back."""

    PATH = "/proc/sys/vm/nr_hugepages"

    def __init__(self, count):
        self.count = count
        self.before = None

    def __enter__(self):
        try:
            with open(self.PATH, encoding="ascii") as file:
                self.before = file.read().strip()
            with open(self.PATH, "w", encoding="ascii") as file:
                file.write(str(int(self.before) + self.count))
            with open(self.PATH, encoding="ascii") as file:
                return int(file.read()) >= int(self.before) + self.count
        except OSError:
            self.before = None
            return False

    def __exit__(self, *_):
        if self.before is not None:
            with open(self.PATH, "w", encoding="ascii") as file:
                file.write(self.before)


def make_file(path, size):
    """A file of `size` random bytes, once."""
    if os.path.exists(path) and os.path.getsize(path) == size:
        return path
    with open(path + ".tmp", "wb") as file:
        left = size
        while left > 0:
            piece = os.urandom(min(left, 16 * MIB))
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".tmp", path)
    return path


def make_tokens(path, size):
    """u16 tokens with Zipf's frequencies: what zstd meets in training."""
    if os.path.exists(path) and os.path.getsize(path) == size:
        return path
    random.seed(1)
    vocabulary = 32000
    weights = [1.0 / (rank + 3) for rank in range(vocabulary)]
    tokens = random.choices(range(vocabulary), weights, k=8 * MIB)
    unit = struct.pack(f"<{len(tokens)}H", *tokens)
    with open(path, "wb") as file:
        for _ in range(size // len(unit)):
            file.write(unit)
    return path


def raw(path, record=RECORD):
    return ["--record-bytes", str(record), "--batch-size", "256", path]


def case_disk(bench, size):
    path = make_file(os.path.join(bench.dir, "records.bin"),
                     size // RECORD * RECORD)
    with HugePages(32) as has_huge:
        for _ in range(bench.rounds):
            uncache(path)
            bench.fio("fio", path)
            if has_huge:
                bench.fio("fio huge", path, "--iomem=shmhuge")
            common = ["--device", "host", "--direct", "on", *raw(path)]
            bench.bench("none", *common)
            bench.bench("block", "--shuffle", "block", *common)
            bench.bench("pread", "--io", "pread", *common)
    rows = [("fio io_uring 1 MiB x 16, default buffers",
             bench.show("fio", "GB/s"), "", "")]
    if has_huge:
        rows.append(("the same, huge-page buffers (shmhuge)",
                     bench.show("fio huge", "GB/s"), "", ""))
    for name, text in (("none", "bench --shuffle none"),
                       ("block", "bench --shuffle block"),
                       ("pread", "bench --io pread")):
        huge = bench.ratio(name, "fio huge") if has_huge else "-"
        rows.append((text, bench.show(name, "GB/s"),
                     bench.ratio(name, "fio") + " / " + huge,
                     bench.show(name + " cpu", "CPU s/GB")))
    table(f"Disk, O_DIRECT, {size >> 20} MiB of {RECORD}-byte records, "
          "batch 256", ("what", "rate", "ratio to fio: default / huge", "CPU"),
          rows)


def case_copies(bench, size):
    path = make_file(os.path.join(bench.dir, "unaligned.bin"),
                     size // UNALIGNED * UNALIGNED)
    for _ in range(bench.rounds):
        uncache(path)
        bench.bench("copy", "--device", "host", "--direct", "on",
                    *raw(path, UNALIGNED))
        bench.copy("memcpy big", UNALIGNED)
    allowed = [0.03 + 1.2 * cost for cost in bench.figures["memcpy big cpu"]]
    bench.figures["allowed"] = allowed
    table(f"Records that need a copy ({UNALIGNED} bytes), O_DIRECT",
          ("what", "figure"),
          [("rate", bench.show("copy", "GB/s")),
           ("CPU", bench.show("copy cpu", "s/GB")),
           ("one memcpy of the same", bench.show("memcpy big cpu", "s/GB")),
           ("CPU to (0.03 + 1.2 x memcpy)", bench.ratio("copy cpu",
                                                        "allowed"))])


def case_cached(bench):
    size = 1024 * MIB // RECORD * RECORD
    disk = make_file(os.path.join(bench.dir, "cached.bin"), size)
    shm = make_file("/dev/shm/feedgpu-speed.bin", size)
    for _ in range(bench.rounds):
        cache(disk)
        bench.copy("memcpy", RECORD)
        bench.bench("cache", "--device", "host", "--epochs", "4", *raw(disk))
        bench.bench("tmpfs", "--device", "host", "--epochs", "4", *raw(shm))
    os.unlink(shm)
    table("From memory, against one thread's memcpy",
          ("what", "rate", "ratio to memcpy", "CPU"),
          [("memcpy", bench.show("memcpy", "GB/s"), "", ""),
           ("page cache", bench.show("cache", "GB/s"),
            bench.ratio("cache", "memcpy"),
            bench.show("cache cpu", "s/GB")),
           ("tmpfs", bench.show("tmpfs", "GB/s"),
            bench.ratio("tmpfs", "memcpy"),
            bench.show("tmpfs cpu", "s/GB"))])


def case_windows(bench):
    path = make_file(os.path.join(bench.dir, "tokens.bin"),
                     2048 * 131072 + 1)
    for _ in range(bench.rounds):
        cache(path)
        for shuffle in ("none", "block"):
            report = bench.bench("windows " + shuffle, "--device", "host",
                                 "--record-bytes", "2049", "--stride-bytes",
                                 "2048", "--epochs", "10", "--threads", "1",
                                 "--shuffle", shuffle, path)
            bench.note(f"windows {shuffle} per core",
                       report["samples_per_s"] * report["wall_s"] /
                       report["cpu_s"] / 1e6)
    table("2,049-byte windows at a stride of 2,048, cached",
          ("shuffle", "million samples per CPU second", "rate"),
          [(shuffle, bench.show(f"windows {shuffle} per core", "M"),
            bench.show("windows " + shuffle, "GB/s"))
           for shuffle in ("none", "block")])


def case_null(bench):
    path = make_file(os.path.join(bench.dir, "tokens.bin"),
                     2048 * 131072 + 1)
    steps = 500000
    for _ in range(bench.rounds):
        report = bench.bench("null", "--device", "host", "--io", "null",
                             "--record-bytes", "4096", "--header-bytes", "1",
                             "--batch-size", "16", "--direct", "off",
                             "--epochs", "0", "--steps", str(steps), path)
        bench.note("null us", report["wall_s"] / steps * 1e6)
        bench.note("null cpu us", report["cpu_s"] / steps * 1e6)
    table("The pipeline's own cost: null engine, batches of one 64 KiB extent",
          ("what", "figure"),
          [("wall", bench.show("null us", "us per batch")),
           ("CPU, both threads", bench.show("null cpu us", "us per batch"))])


def zstd_rate(path, level):
    """GB/s of `zstd -b` decompressing 1 MiB blocks on one thread."""
    done = subprocess.run(["zstd", f"-b{level}", "-B1048576", "-i2", path],
                          capture_output=True, text=True, check=True)
    rates = re.findall(r"([0-9.]+) MB/s", done.stdout + done.stderr)
    return float(rates[-1]) / 1e3


def case_zstd(bench, level=3):
    path = make_tokens(os.path.join(bench.dir, "zipf.bin"), 256 * MIB)
    shards = os.path.join(bench.dir, "zipf.shards")
    if not os.path.isdir(shards):
        run([bench.feedgpu, "pack", "-o", shards, "--record-bytes", "4096",
             "--zstd", str(level), path])
    for name in os.listdir(shards):
        cache(os.path.join(shards, name))
    for _ in range(bench.rounds):
        bench.note("zstd -b", zstd_rate(path, level))
        for threads in (1, 2):
            name = f"zstd {threads}"
            bench.bench(name, "--device", "host", "--epochs", "4",
                        "--threads", str(threads), shards)
    table(f"zstd shards (level {level}, Zipf tokens), cached",
          ("what", "decoded", "ratio to zstd -b"),
          [("zstd -b, 1 MiB blocks, one thread",
            bench.show("zstd -b", "GB/s"), ""),
           ("1 worker", bench.show("zstd 1", "GB/s"),
            bench.ratio("zstd 1", "zstd -b")),
           ("2 workers", bench.show("zstd 2", "GB/s"),
            bench.ratio("zstd 2", "zstd -b"))])


def case_accelerator(bench):
    path = make_file(os.path.join(bench.dir, "cached.bin"),
                     1024 * MIB // RECORD * RECORD)
    for _ in range(bench.rounds):
        cache(path)
        report = bench.bench("au", "--device", "emulated:h100",
                             "--compute-ms", "20", "--epochs", "10",
                             *raw(path))
        bench.note("au share", report["au"] * 100)
        bench.note("au nominal", report["au_nominal"] * 100)
        bench.note("au dlio", report["au_dlio"] * 100)
    table("Emulated H100, 20 ms of compute a step, data available",
          ("what", "figure"),
          [("AU", bench.show("au share", "%")),
           ("AU nominal", bench.show("au nominal", "%")),
           ("AU as DLIO has it, without the first step",
            bench.show("au dlio", "%"))])


def table(title, head, rows):
    print(f"\n## {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return (f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.1f} at the start")


CASES = ("disk", "copies", "cached", "windows", "null", "zstd", "accelerator")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder")
    parser.add_argument("--dir", default="/var/tmp/feedgpu-speed",
                        help="where the test data goes (10 GiB)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size-mib", type=int, default=4096,
                        help="of the files read from disk")
    parser.add_argument("--cases", default=",".join(CASES))
    options = parser.parse_args()
    for program in ("fio", "zstd"):
        if shutil.which(program) is None:
            sys.exit(f"speed.py: {program} is not installed")
    os.makedirs(options.dir, exist_ok=True)
    bench = Bench(options)
    size = options.size_mib * MIB
    print(f"# Speed, {time.strftime('%Y-%m-%d')}\n\n{machine()}.")
    print(f"Median of {options.rounds} rounds (least-largest).")
    run_case = {
        "disk": lambda: case_disk(bench, size),
        "copies": lambda: case_copies(bench, size),
        "cached": lambda: case_cached(bench),
        "windows": lambda: case_windows(bench),
        "null": lambda: case_null(bench),
        "zstd": lambda: case_zstd(bench),
        "accelerator": lambda: case_accelerator(bench),
    }
    for case in options.cases.split(","):
        run_case[case]()


if __name__ == "__main__":
    main()
