#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs, as they are and under `feedgpu run`: do they do the same?

    compat.py --tool FEEDGPU [--python PYTHON] [--only WORD] [--table FILE]

Each case runs a program twice in two copies of the same folder: plain, and
under the shim with the files out of the page cache. Standard output, standard
error, exit status and all files that it leaves must be the same bytes. A case
whose program or module is missing is skipped, by name. --table writes what
was found as a table. --python is the interpreter that has the modules.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from formats import CASES as FORMATS
from programs import CASES

TIMEOUT_S = 300
SKIPPED = 77


def drop_caches(folder):
    """Push the folder's files out of the page cache, and let them settle."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.isfile(path) and not os.path.islink(path):
                fd = os.open(path, os.O_RDONLY)
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)


def contents(folder):
    """Path -> hash, of every file below."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(top, name)
            if os.path.islink(path):
                found[os.path.relpath(path, folder)] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                found[os.path.relpath(path, folder)] = digest
    return found


def make_input(folder):
    """The data that most cases read: incompressible, a few MiB each."""
    os.makedirs(os.path.join(folder, "data"))
    block = hashlib.shake_256(b"feedgpu").digest(1 << 20)
    for i in range(4):
        with open(os.path.join(folder, "data", f"part-{i}.bin"), "wb") as file:
            for k in range(5):
                file.write(bytes([i, k]) + block[2:])
            file.write(block[:12345 * i])
    small = os.path.join(folder, "data", "small")
    os.makedirs(small)
    for i in range(60):
        with open(os.path.join(small, f"{i:03}.raw"), "wb") as file:
            file.write(bytes([i]) * 3 + block[i:150000 + i * 17])
    # Archives hold times.
    for top, _, names in os.walk(folder):
        for name in [*names, "."]:
            os.utime(os.path.join(top, name), (1577836800, 1577836800))


def run(command, folder, prefix):
    environment = dict(os.environ, LC_ALL="C.UTF-8", PYTHONHASHSEED="0",
                       PYTHONDONTWRITEBYTECODE="1", HOME=folder)
    done = subprocess.run(prefix + command, cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def prepare(case, folder, python):
    """The case's folder; None when something that it needs is missing."""
    make_input(folder)
    for name, text in case.files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    for command in case.setup:
        command = [word.replace("PYTHON", python) for word in command]
        code, _, err = run(command, folder, [])
        if code != 0:
            last = err.decode(errors="replace").strip().splitlines()[-1:]
            return f"cannot set up: {' '.join(last)}"
    return None


def missing(case, python):
    for program in case.programs:
        if shutil.which(program) is None:
            return f"no {program}"
    for module in case.modules:
        if subprocess.run([python, "-c", f"import {module}"],
                          capture_output=True, check=False).returncode != 0:
            return f"no Python module {module}"
    return None


def check(case, args, work):
    """(result, remark, bytes served from the feeder's memory)."""
    why = missing(case, args.python)
    if why is not None:
        return "skipped", why, 0
    results = []
    report = os.path.join(work, "report.json")
    folder = os.path.join(work, "w")
    prepared = os.path.join(work, "prepared")
    os.makedirs(folder)
    why = prepare(case, folder, args.python)
    if why is not None:
        return "skipped", why, 0
    os.rename(folder, prepared)
    for kind in ("plain", "shim"):
        shutil.copytree(prepared, folder, symlinks=True)
        drop_caches(folder)
        prefix = [] if kind == "plain" else [
            args.tool, "run", "--memory", "256MiB", "--report", "json",
            "--report-file", report, "--"]
        command = [word.replace("PYTHON", args.python)
                   for word in case.command]
        got = run(["sleep", "0.15"], folder, []) and run(command, folder,
                                                         prefix)
        results.append(got + (contents(folder),))
        shutil.rmtree(folder)
    with open(report, encoding="utf-8") as file:
        last = json.loads(file.read().splitlines()[-1])
    served = last["feeder"]["memory_bytes"]
    names = ("exit status", "standard output", "standard error", "files")
    for name, plain, shim in zip(names, *results):
        if plain != shim:
            return "differs", f"{name}: {str(plain)[:300]} / " \
                              f"{str(shim)[:300]}", served
    if results[0][0] != case.status:
        return "failed", f"exit status {results[0][0]}: " \
                         f"{results[0][2].decode(errors='replace')[-300:]}", 0
    if case.must_serve and served == 0:
        return "unserved", "nothing came from the feeder", served
    return "same", case.remark, served


def write_table(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("| program | output | served | remark |\n|-|-|-|-|\n")
        for name, result, remark, served in rows:
            file.write(f"| {name} | {result} | {served / 1e6:.1f} MB | "
                       f"{remark} |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default="")
    parser.add_argument("--table")
    args = parser.parse_args()
    args.tool = os.path.abspath(args.tool)
    rows = []
    for case in CASES + FORMATS:
        if args.only not in case.name:
            continue
        work = tempfile.mkdtemp(prefix="feedgpu-compat-")
        try:
            result, remark, served = check(case, args, work)
        except subprocess.TimeoutExpired:
            result, remark, served = "hangs", f"over {TIMEOUT_S} s", 0
        finally:
            shutil.rmtree(work, ignore_errors=True)
        rows.append((case.name, result, remark, served))
        print(f"{result:9} {case.name:34} {served / 1e6:8.1f} MB  {remark}",
              flush=True)
    if args.table:
        write_table(args.table, rows)
    bad = [row for row in rows if row[1] not in ("same", "skipped")]
    same = sum(row[1] == "same" for row in rows)
    print(f"{same} the same, {len(bad)} not, "
          f"{len(rows) - same - len(bad)} skipped")
    if bad:
        return 1
    return 0 if same else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
