# SPDX-License-Identifier: Apache-2.0
"""What the tests of `feedgpu run` share: the tool, a folder, the command line.

    NAME.py --tool PATH/TO/feedgpu [--deny PATH/TO/deny] [UNITTEST OPTION]...

Tests wait for things to happen, and for a time only to see that nothing more
happens.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import unittest

GIVE_UP_S = 60
PATHS = {"tool": "", "deny": ""}


def wait_for(what):
    """Poll until what() is true; its value."""
    until = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("it did not happen")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Case(unittest.TestCase):
    """An empty folder per test, and the tool."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="feedgpu-run-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.clean = {k: v for k, v in os.environ.items()
                      if not k.startswith(("FEEDGPU_", "LD_PRELOAD"))}
        # The tool may itself be under a preloaded library, and a sanitizer in
        # it wants to be the first.
        self.clean["ASAN_OPTIONS"] = ":".join(filter(None, (
            os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def run_tool(self, *words, options=("--report", "none"), **more):
        more.setdefault("env", self.clean)
        return subprocess.run([PATHS["tool"], "run", *options, "--", *words],
                              cwd=more.pop("cwd", self.folder),
                              capture_output=True, text=True, errors="replace",
                              timeout=GIVE_UP_S, check=False, **more)

    def start(self, script, *options, **more):
        """A Python program under the tool that says 'ready' first."""
        options = options or ("--report", "none")
        child = subprocess.Popen(
            [PATHS["tool"], "run", *options, "--",
             sys.executable, "-c", script],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=self.clean, **more)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.kill)
        self.assertEqual(child.stdout.readline(), "ready\n")
        return child


def main(text):
    """Run the tests of the module that was started; 77: all were skipped."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--deny", default="")
    args, others = parser.parse_known_args()
    PATHS["tool"] = os.path.abspath(args.tool)
    PATHS["deny"] = os.path.abspath(args.deny) if args.deny else ""
    result = unittest.main(module="__main__", argv=[sys.argv[0], *others],
                           exit=False).result
    if result.wasSuccessful() and len(result.skipped) > 0 and \
            len(result.skipped) >= result.testsRun:
        print(result.skipped[-1][1])
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
