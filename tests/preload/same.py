#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs beside this file, plain and under `feedgpu run`.

    same.py differ FEEDGPU PROGRAM [--seeds N] [--calls N] [--first SEED]
            [--plain]
    same.py racer FEEDGPU PROGRAM [--seconds N]
    same.py sharers|handlers|buffers FEEDGPU PROGRAM

differ: the same random calls must give the same results; on a difference it
prints the seed and the calls between which it came up. buffers: what it prints
must be the same. The others judge by themselves. All of them must have been
served something from the feeder's memory, or they have shown nothing. With
--plain they have the library in LD_PRELOAD and nothing else, and the feeder is
the one that it starts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

FAILED = 1
GIVE_UP_S = 60


def under(tool, command, work):
    """Run a command under the shim: (done, bytes served)."""
    report = os.path.join(work, "report.json")
    done = subprocess.run(
        [tool, "run", "--memory", "256MiB", "--report", "json",
         "--report-file", report, "--", *command],
        capture_output=True, text=True, check=False)
    try:
        with open(report, encoding="utf-8") as file:
            served = json.loads(file.read().splitlines()[-1])["feeder"]
    except (OSError, IndexError, ValueError) as error:
        print(f"no report: {error}: {done.stderr}")
        return done, 0
    return done, served["memory_bytes"]


def alone(tool, command, work):
    """The same with LD_PRELOAD alone."""
    report = os.path.join(work, "report.json")
    board = os.path.join(work, "feedgpu.board")
    library = os.path.realpath(os.path.join(
        os.path.dirname(tool), "..", "lib", "libfeedgpu-preload.so"))
    env = {**os.environ, "LD_PRELOAD": library, "XDG_RUNTIME_DIR": work,
           "FEEDGPU_RUN_MEMORY": "256MiB", "FEEDGPU_RUN_REPORT": "json",
           "FEEDGPU_RUN_REPORT_FILE": report,
           "FEEDGPU_RUN_IDLE_SECONDS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env=env)
    until = time.monotonic() + GIVE_UP_S
    text = ""
    while not text.endswith("\n") and time.monotonic() < until:
        time.sleep(0.05)
        if not os.path.exists(board) and os.path.exists(report):
            with open(report, encoding="utf-8") as file:
                text = file.read()
    if not text.endswith("\n"):
        print("no report from the feeder")
        return done, 0
    os.unlink(report)
    return done, json.loads(text)["feeder"]["memory_bytes"]


def first_difference(plain, shim):
    """Between which calls results went apart."""
    last = "0"
    for a, b in zip(plain.splitlines(), shim.splitlines()):
        if a != b:
            return f"between calls {last} and {a.split()[0]}"
        last = a.split()[0]
    return f"after call {last}: one of them ended early"


def differ(args, work):
    total = 0
    served_all = 0
    for seed in range(args.first, args.first + args.seeds):
        folder = os.path.join(work, "files")
        os.mkdir(folder)
        command = [args.program, str(seed), str(args.calls), folder]
        plain = subprocess.run(command, capture_output=True, text=True,
                               check=False)
        shutil.rmtree(folder)
        os.mkdir(folder)
        shim, served = (alone if args.plain else under)(args.tool, command,
                                                        work)
        shutil.rmtree(folder)
        if plain.returncode != 0 or plain.stdout != shim.stdout or \
                plain.returncode != shim.returncode:
            print(f"seed {seed}: differs "
                  f"{first_difference(plain.stdout, shim.stdout)} (exit "
                  f"status {plain.returncode} and {shim.returncode}) "
                  f"{shim.stderr[-300:]}")
            return FAILED
        total += args.calls
        served_all += served
        print(f"seed {seed}: {args.calls} calls the same, "
              f"{served / 1e6:.0f} MB served", flush=True)
    print(f"{total} calls, no difference, {served_all / 1e6:.0f} MB served")
    return 0 if served_all > 0 else FAILED


def judge(done, served):
    print(done.stdout, end="")
    print(f"{served / 1e6:.0f} MB served")
    if done.returncode != 0 or served == 0:
        print(done.stderr)
        return FAILED
    return 0


def racer(args, work):
    return judge(*under(args.tool, [args.program, work, str(args.seconds)],
                        work))


def records(args, work):
    path = os.path.join(work, "records")
    count = 1500
    with open(path, "wb") as file:
        for i in range(count):
            file.write(i.to_bytes(8, "little") + bytes(65528))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    subprocess.run(["sleep", "0.15"], check=True)  # it has to settle
    return judge(*under(args.tool, [args.program, path, str(count)], work))


def buffers(args, work):
    path = os.path.join(work, "records")
    block = os.urandom(1 << 20)
    count = 64
    with open(path, "wb") as file:
        for i in range(count):
            file.write(bytes([i]) + block[1:])
        file.flush()
        os.fsync(file.fileno())
    command = [args.program, path, str(count << 20), work]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    shim, served = under(args.tool, command, work)
    if plain.returncode != 0 or shim.returncode != 0 or \
            plain.stdout != shim.stdout:
        for a, b in zip(plain.stdout.splitlines(), shim.stdout.splitlines()):
            if a != b:
                print(f"plain: {a}\nfed:   {b}")
        print(f"differs, or failed: exit status {plain.returncode} and "
              f"{shim.returncode}; {shim.stdout[-200:]}")
        return FAILED
    reads = len(plain.stdout.splitlines())
    print(f"{reads} reads the same, {served / 1e6:.0f} MB served")
    return 0 if served > reads << 18 else FAILED


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("differ", "racer", "sharers",
                                         "handlers", "buffers"))
    parser.add_argument("tool")
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--calls", type=int, default=15000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--seconds", type=int, default=8)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="feedgpu-same-", dir=os.getcwd())
    try:
        return {"differ": differ, "racer": racer, "buffers": buffers,
                "sharers": records, "handlers": records}[args.kind](args, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
