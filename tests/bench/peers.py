#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure other projects' loaders beside feedgpu: same data, same machine.

    tests/bench/peers.py --feedgpu build/release/bin/feedgpu \\
        --python PEERS-VENV/bin/python [--size-mib 2048] [--rounds 5]

The peers live in a virtual environment outside the repository:

    python3 -m venv PEERS-VENV
    PEERS-VENV/bin/pip install tensorflow-cpu webdataset grain array_record
    PEERS-VENV/bin/pip install torch mosaicml-streaming
    PEERS-VENV/bin/pip install nvidia-dali-cuda130

A peer that does not import is left out, with the reason. Each peer runs in a
process of its own (peer_run.py says how it is set up and what is timed), in
each of the rounds, in turn, and so does feedgpu. What is timed is one pass
over the data by a loader that is open, for all alike; the row "whole process"
is feedgpu from outside, its opening and its end included. A ratio is taken
within each round; medians are quoted, with the least and the largest. Prints
Markdown. Nothing here passes or fails.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

RECORD = 150528  # 224 x 224 x 3: a multiple of 512
BATCH = 256
MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))

# peer: (format on disk, how it is set up, what it cannot do)
PEERS = {
    "tf-raw": (
        "raw", "FixedLengthRecordDataset, 8 MiB buffer; batch, then "
        "decode_raw of the batch; AUTOTUNE map and prefetch; shuffle(1024)",
        "no O_DIRECT; one file is read by one thread"),
    "tf-tfrecord": (
        "tfrecord", "TFRecordDataset, 8 MiB buffer, AUTOTUNE parallel reads "
        "when shuffled; batch, parse_example, decode_raw; shuffle(1024)",
        "no O_DIRECT"),
    "torch-plain": (
        "raw", "map-style, np.fromfile per sample, default collate, 2 "
        "workers, prefetch_factor 4; full shuffle",
        "no O_DIRECT; batches cross processes"),
    "torch-tuned": (
        "raw", "hand-written __getitems__: preadv of neighbours straight into "
        "the batch's shared memory, O_DIRECT when cold, 2 workers, "
        "prefetch_factor 4; full shuffle",
        "the reading is the user's own code; batches cross processes"),
    "webdataset": (
        "webdataset", "tar shards of 128 MiB, frombuffer and stack, batched "
        "in 2 workers, prefetch_factor 4; shuffle(1024) of each worker",
        "no O_DIRECT; workers' batches alternate, so stored order is not "
        "kept across shards"),
    "mosaic": (
        "mds", "MDS shards of 64 MiB (default), ndarray column with a static "
        "shape, no compression, default collate, 2 workers, prefetch_factor "
        "4; py1e shuffle",
        "no O_DIRECT; opens the shard for each sample"),
    "grain": (
        "arrayrecord", "ArrayRecord group_size:1, uncompressed; batch first, "
        "then 4 threads and 8 batches ahead, frombuffer and stack; full "
        "shuffle", "no O_DIRECT"),
    "dali-tfrecord": (
        "tfrecord", "readers.tfrecord, CPU pipeline, 2 threads, queue 2, "
        "dont_use_mmap; use_o_direct when cold; initial_fill 1024",
        "one reading thread; a batch is a list of samples; reads on into the "
        "next pass"),
    "dali-webdataset": (
        "webdataset", "readers.webdataset, CPU pipeline, 2 threads, queue 2, "
        "dont_use_mmap; initial_fill 1024",
        "no O_DIRECT; one reading thread; a batch is a list of samples; reads "
        "on into the next pass"),
}
SUFFIX = {"raw": ".bin", "tfrecord": ".tfrecord", "webdataset": ".tar",
          "mds": ".mds", "arrayrecord": ".arrayrecord"}
CASES = [(is_cold, is_shuffled) for is_cold in (True, False)
         for is_shuffled in (False, True)]


def say(text):
    print(text, file=sys.stderr, flush=True)


def make_records(path, size):
    """A file of `size` random bytes, once."""
    if os.path.exists(path) and os.path.getsize(path) == size:
        return
    with open(path + ".tmp", "wb") as file:
        left = size
        while left > 0:
            piece = os.urandom(min(left, 16 * MIB))
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".tmp", path)


def touch_all(paths, is_cold):
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            if is_cold:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                while file.read(16 * MIB):
                    pass


class Bench:
    """The data, the children and every figure of every round."""

    def __init__(self, options):
        self.options = options
        self.count = options.size_mib * MIB // RECORD
        self.records = os.path.join(options.dir,
                                    f"records-{options.size_mib}.bin")
        self.figures = {}  # (name, case) -> [figures of each round]
        self.left_out = {}  # peer -> why
        self.versions = {}  # peer -> [package and version]

    def job(self, form):
        """What a child is told; cases and paths come with a measurement."""
        return {"records": self.records,
                "count": self.count, "record_bytes": RECORD,
                "dir": os.path.join(self.options.dir,
                                    f"{form}-{self.options.size_mib}")}

    def child(self, script, *arguments):
        done = subprocess.run(
            [self.options.python, os.path.join(HERE, script), *arguments],
            capture_output=True, text=True, check=False,
            timeout=self.options.timeout)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(f"status {done.returncode}: {lines[-1][:300]}")
        return done.stdout

    def write(self, form):
        """The peer's own files, once."""
        job = self.job(form)
        mark = os.path.join(job["dir"], "complete")
        if form == "raw" or os.path.exists(mark):
            return
        os.makedirs(job["dir"], exist_ok=True)
        self.child("peer_write.py", form, json.dumps(job))
        os.sync()
        with open(mark, "w", encoding="ascii"):
            pass

    def paths(self, form):
        if form == "raw":
            return [self.records]
        folder = self.job(form)["dir"]
        return [os.path.join(folder, name) for name in
                sorted(os.listdir(folder)) if name.endswith(SUFFIX[form])]

    def attempt(self, peer, action):
        """Run `action`; a peer that fails is left out from then on."""
        if peer in self.left_out:
            return
        try:
            action()
        except (RuntimeError, OSError, ValueError,
                subprocess.TimeoutExpired) as error:
            self.left_out[peer] = str(error)
            say(f"{peer}: left out: {error}")

    def prepare(self, peer):
        out = self.child("peer_run.py", peer, "versions", "{}")
        self.versions[peer] = json.loads(out.strip().splitlines()[-1])
        if not self.versions[peer]:
            raise RuntimeError("not installed")
        self.write(PEERS[peer][0])

    def peer(self, peer):
        form = PEERS[peer][0]
        job = self.job(form)
        job["paths"] = self.paths(form)
        job["cases"] = [{"is_cold": cold, "is_shuffled": shuffled}
                        for cold, shuffled in CASES]
        out = self.child("peer_run.py", peer, "measure", json.dumps(job))
        lines = [line for line in out.splitlines() if line.startswith("{")]
        for case, line in zip(CASES, lines, strict=True):
            self.note(peer, case, json.loads(line))

    def feedgpu(self, name, case, shuffle):
        is_cold, _ = case
        touch_all([self.records], is_cold)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        done = subprocess.run(
            [self.options.feedgpu, "bench", "--json", "--device", "host",
             "--direct", "on" if is_cold else "off", "--record-bytes",
             str(RECORD), "--batch-size", str(BATCH), "--shuffle", shuffle,
             self.records], capture_output=True, text=True, check=False)
        wall = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.exit(f"peers.py: feedgpu: {done.stderr}")
        report = json.loads(done.stdout.strip().splitlines()[-1])
        total = report["bytes_per_s"] * report["wall_s"]
        self.note(name, case, {
            "wall_s": report["wall_s"], "cpu_s": report["cpu_s"],
            "bytes": total})
        self.note(name + ", whole process", case, {
            "wall_s": wall, "bytes": total,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime -
            before.ru_stime})

    def note(self, name, case, figure):
        expected = self.count * RECORD
        if abs(figure["bytes"] - expected) > BATCH * RECORD:
            raise RuntimeError(f"delivered {figure['bytes']} bytes of "
                               f"{expected}")
        figure["rate"] = figure["bytes"] / figure["wall_s"] / 1e9
        figure["cpu"] = figure["cpu_s"] / figure["bytes"] * 1e9
        self.figures.setdefault((name, case), []).append(figure)
        say(f"{name} {title_of(case)}: {figure['rate']:.2f} GB/s, "
            f"{figure['cpu']:.3f} CPU s/GB")

    def round(self):
        for case in CASES:
            self.feedgpu("feedgpu", case, "block" if case[1] else "none")
            if case[1]:
                self.feedgpu("feedgpu, full shuffle", case, "full")
        for peer in self.options.peers:
            self.attempt(peer, lambda name=peer: self.peer(name))


def title_of(case):
    is_cold, is_shuffled = case
    return (("cold" if is_cold else "warm") + ", " +
            ("shuffled" if is_shuffled else "stored order"))


def spread(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def show_case(bench, case):
    ours = bench.figures[("feedgpu", case)]
    names = [name for name, other in bench.figures if other == case]
    names.sort(key=lambda name: -statistics.median(
        figure["rate"] for figure in bench.figures[(name, case)]))
    print(f"\n## {title_of(case).capitalize()}\n")
    print("| loader | GB/s | samples/s | CPU s/GB | feedgpu is x as fast | "
          "from disk |\n| --- | --- | --- | --- | --- | --- |")
    for name in names:
        figures = bench.figures[(name, case)]
        rates = [figure["rate"] for figure in figures]
        ratios = [our["rate"] / rate for our, rate in zip(ours, rates)]
        disk = [figure["disk_bytes"] / figure["bytes"]
                for figure in figures if "disk_bytes" in figure]
        print(f"| {name} | {spread(rates)} | "
              f"{statistics.median(rates) * 1e9 / RECORD:,.0f} | "
              f"{spread([figure['cpu'] for figure in figures], 3)} | "
              f"{'1' if name == 'feedgpu' else spread(ratios)} | "
              f"{f'{statistics.median(disk):.0%}' if disk else ''} |")


def show_setup(bench):
    print("\n## How each was set up\n")
    print("| loader | versions | settings | cannot |\n"
          "| --- | --- | --- | --- |")
    for peer, versions in bench.versions.items():
        _, settings, cannot = PEERS[peer]
        print(f"| {peer} | {', '.join(versions)} | {settings} | {cannot} |")
    for peer, why in bench.left_out.items():
        print(f"\nLeft out: {peer}: {why}")


def show(bench):
    for case in CASES:
        show_case(bench, case)
    show_setup(bench)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return (f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.1f} at the start")


def options_of():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--feedgpu", required=True, help="the tool")
    parser.add_argument("--python", default=sys.executable,
                        help="the interpreter that has the peers")
    parser.add_argument("--dir", default="/var/tmp/feedgpu-peers",
                        help="where the data goes (5 x --size-mib)")
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=int, default=600,
                        help="seconds that a peer may take in a round")
    parser.add_argument("--peers", default=",".join(PEERS))
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"no such peer: {peer}")
    return options


def main():
    options = options_of()
    os.makedirs(options.dir, exist_ok=True)
    bench = Bench(options)
    print(f"# Peers, {time.strftime('%Y-%m-%d')}\n\n{machine()}.")
    print(f"{bench.count} records of {RECORD} bytes, batch {BATCH}; median "
          f"of {options.rounds} rounds (least-largest).")
    make_records(bench.records, bench.count * RECORD)
    for peer in options.peers:
        bench.attempt(peer, lambda name=peer: bench.prepare(name))
    for number in range(options.rounds):
        say(f"round {number + 1}")
        bench.round()
    show(bench)


if __name__ == "__main__":
    main()
