#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden tests of the command line tool.

    run.py --tool PATH/TO/feedgpu [--rewrite] CASE...

A case is a text file of commands with what they must print:

    # A comment. "# mask: REGEX => TEXT" replaces what differs from run to run.
    $ feedgpu info nowhere
    ! feedgpu: nowhere: open: No such file or directory
    [1]

Behind a command come its stdout (behind "| "), its stderr (behind "! ") and
its exit status unless 0. Commands are bash, run one after another in
one new, empty folder, with feedgpu and the helpers of bin/ on the PATH.
--rewrite puts what was printed into the files: look at the difference before
you commit it. A command that ends with 77 skips the case.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 240
SKIPPED = 77

# What differs from run to run everywhere: times and rates.
MASKS = [
    (r"\b\d+\.\d+ s\b", "T s"),
    (r"\b[\d.]+ (B|kB|MB|GB|TB)/s", "R/s"),
    (r'"(\w+_s)":[\d.e-]+', r'"\1":T'),
]

KEPT = ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH",
        "HOME", "TMPDIR", "FEEDGPU_FAKES")


class Skip(Exception):
    """The machine lacks what the case needs."""


def environment(tool, folder):
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    path = [os.path.join(folder, ".bin"), os.path.join(HERE, "bin"),
            os.environ.get("PATH", "/usr/bin:/bin")]
    os.mkdir(path[0])
    os.symlink(os.path.abspath(tool), os.path.join(path[0], "feedgpu"))
    return {**kept, "PATH": ":".join(path), "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1"}


def read_case(path):
    """Masks, and the file's lines with the expected output left out."""
    masks = list(MASKS)
    script = []
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            found = re.match(r"# mask: (.*) => (.*)", line)
            if found:
                masks.append((found.group(1), found.group(2)))
            if line.startswith(("$ ", "#")) or line == "":
                script.append(line)
    return masks, script


def masked(text, masks):
    for pattern, replacement in masks:
        text = re.sub(pattern, replacement, text)
    return text


def printed(prefix, data, masks):
    text = masked(data.decode("utf-8", "backslashreplace"), masks)
    return [(prefix + line).rstrip() for line in text.splitlines()]


def run_command(command, folder, env, masks):
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIMEOUT_S, check=False)
    if done.returncode == SKIPPED:
        raise Skip(done.stderr.decode().strip() or command)
    lines = printed("| ", done.stdout, masks)
    lines += printed("! ", done.stderr, masks)
    if done.returncode != 0:
        lines.append(f"[{done.returncode}]")
    return lines


def run_case(path, tool):
    """The case as it would have to read to pass."""
    masks, script = read_case(path)
    top = tempfile.mkdtemp(prefix="feedgpu-cli-")
    try:
        folder = os.path.join(top, "w")
        os.mkdir(folder)
        env = environment(tool, top)
        lines = []
        for line in script:
            lines.append(line)
            if line.startswith("$ "):
                lines += run_command(line[2:], folder, env, masks)
        return lines
    finally:
        shutil.rmtree(top, ignore_errors=True)


def check(path, tool, is_rewriting):
    """0 passed, 1 failed, 77 skipped."""
    name = os.path.basename(path)
    try:
        got = run_case(path, tool)
    except Skip as reason:
        print(f"SKIP {name}: {reason}")
        return SKIPPED
    with open(path, encoding="utf-8") as file:
        wanted = file.read().splitlines()
    if got == wanted:
        print(f"ok   {name}")
        return 0
    if is_rewriting:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(got) + "\n")
        print(f"new  {name}")
        return 0
    print(f"FAIL {name}")
    print("\n".join(difflib.unified_diff(wanted, got, "wanted", "got",
                                         lineterm="")))
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--rewrite", action="store_true")
    parser.add_argument("cases", nargs="+")
    args = parser.parse_args()
    results = [check(path, args.tool, args.rewrite) for path in args.cases]
    if 1 in results:
        return 1
    return SKIPPED if set(results) == {SKIPPED} else 0


if __name__ == "__main__":
    sys.exit(main())
