#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs with the shim in LD_PRELOAD alone, and the feeder that serves them.

The feeder says where it is in a folder of the test's; its report tells what it
served.
"""

import ctypes
import glob
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

from run_fixture import GIVE_UP_S, PATHS, Case, is_alive, main, wait_for

DATA_BYTES = 12 << 20
NOBODY = 65534

# What a program can see of itself and its children; opens the data in between.
# Python's site may read large files before: -S.
WITNESS = """
import json, os, signal, sys
def look():
    tasks = ''.join(open(f'/proc/self/task/{task}/children').read()
                    for task in os.listdir('/proc/self/task'))
    status = [line for line in open('/proc/self/status')
              if line.startswith(('SigP', 'SigB', 'SigI', 'SigC', 'ShdP',
                                  'Threads', 'Seccomp:'))]
    try:
        terminal = os.ctermid() if os.open('/dev/tty', os.O_RDONLY) else ''
    except OSError as error:
        terminal = error.errno
    return [tasks, status, terminal, sorted(os.listdir('/proc/self/fd')),
            os.getpgrp() == int(sys.argv[3]), os.getsid(0) == int(sys.argv[4]),
            os.getcwd(), str(signal.getsignal(signal.SIGCHLD))[:8]]
signals = []
if sys.argv[2] == 'count':
    signal.signal(signal.SIGCHLD, lambda number, frame: signals.append(number))
elif sys.argv[2] == 'ignore':
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
elif sys.argv[2] == 'block':
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
before = look()
file = os.open(sys.argv[1], os.O_RDONLY)
size = 0
while True:
    piece = os.read(file, 100000)
    if not piece:
        break
    size += len(piece)
os.close(file)
after = look()
early = len(signals)
waits = []
for wait in (os.wait, lambda: os.waitpid(-1, os.WNOHANG),
             lambda: os.waitid(os.P_ALL, 0, os.WEXITED)):
    try:
        waits.append(wait())
    except ChildProcessError as error:
        waits.append(error.errno)
pending = sorted(signal.sigpending())
own = os.spawnlp(os.P_NOWAIT, 'true', 'true')
if sys.argv[2] != 'ignore':
    waits.append(os.wait()[0] == own)
print(json.dumps([size, before == after, before, waits, early, pending]))
"""


class Plain(Case):
    """A folder for the feeder's file, data on the disk, an environment."""

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        os.mkdir(self.path("run"), 0o700)
        self.board = self.path("run/feedgpu.board")
        self.addCleanup(self.end_feeder)
        with open(self.path("data"), "wb") as file:
            file.write(os.urandom(DATA_BYTES))
        self.settle()
        with open(self.path("data"), "rb") as file:
            self.sum = hashlib.sha256(file.read()).hexdigest()
        self.drop()
        library = os.path.join(os.path.dirname(PATHS["tool"]), "..", "lib",
                               "libfeedgpu-preload.so")
        self.without = {**self.clean, "XDG_RUNTIME_DIR": self.path("run"),
                        "FEEDGPU_RUN_IDLE_SECONDS": "1",
                        "FEEDGPU_RUN_MEMORY": "64MiB",
                        "FEEDGPU_RUN_REPORT": "json",
                        "FEEDGPU_RUN_REPORT_FILE": self.path("report-%p")}
        self.env = {**self.without, "LD_PRELOAD": os.path.realpath(library)}

    def settle(self):
        with open(self.path("data"), "rb") as file:
            os.fsync(file.fileno())
        time.sleep(0.15)  # a file that has just changed is left alone

    def drop(self):
        with open(self.path("data"), "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def feeder(self):
        """The feeder's process, or 0: whatever the file says, only a feeder
        may be sent signals."""
        try:
            with open(self.board, encoding="utf-8") as file:
                pid = int(file.read().split(":")[0])
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return pid if b"\0feed\0" in file.read() else 0
        except (OSError, ValueError):
            return 0

    def end_feeder(self):
        pid = self.feeder()
        if pid > 0:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid))

    def reports(self):
        """Of feeders that have ended, once all have."""
        wait_for(lambda: not os.path.exists(self.board))
        found = []
        for path in glob.glob(self.path("report-*")):
            def text(path=path):
                with open(path, encoding="utf-8") as file:
                    return file.read().endswith("\n")
            wait_for(text)
            with open(path, encoding="utf-8") as file:
                found.append(json.loads(file.read()))
        return found

    def launch(self, *words, env=None, **more):
        return subprocess.run(words, env=self.env if env is None else env,
                              cwd=more.pop("cwd", self.folder),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=GIVE_UP_S, check=False, **more)

    def sees_the_data(self, done):
        self.assertEqual((hashlib.sha256(done.stdout).hexdigest(), done.stderr,
                          done.returncode), (self.sum, b"", 0))

    def cat(self, **more):
        self.sees_the_data(self.launch("cat", self.path("data"), **more))

    def cat_often(self, **more):
        """One of these is served, however late the feeder is."""
        for _ in range(5):
            self.drop()
            self.cat(**more)

    def start_feeder(self, **more):
        """So that no test depends on how fast one starts."""
        done = self.launch(PATHS["tool"], "feed", "--detach", env=more.get(
            "env", self.without))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return self.feeder()

    def is_unfed(self, **more):
        """The program runs as ever, and nothing was started."""
        self.cat(**more)
        self.assertEqual(glob.glob(self.path("report-*")), [])


class Served(Plain):
    """What is fed, and by whom."""

    def test_program_starts_a_feeder_and_is_served(self):
        for _ in range(10):  # a slow start leaves a short program unfed
            self.drop()
            self.cat()
            report = self.reports()[-1]
            if report["feeder"]["memory_bytes"] > 0:
                break
        self.assertGreater(report["feeder"]["memory_bytes"], 0)
        self.assertEqual(report["type"], "feed")

    def test_second_program_finds_what_the_first_has_read(self):
        pid = self.start_feeder()
        script = ("import sys, hashlib\n"
                  "file = open(sys.argv[1], 'rb', buffering=0)\n"
                  "sum = hashlib.sha256()\n"
                  "while piece := file.read(65536):\n    sum.update(piece)\n"
                  "print(sum.hexdigest())")
        for _ in range(5):
            done = self.launch(sys.executable, "-c", script, self.path("data"))
            self.assertEqual(done.stdout.decode(), self.sum + "\n")
            self.assertEqual(self.feeder(), pid)
            self.drop()
        report, = self.reports()
        self.assertGreater(report["feeder"]["memory_bytes"], DATA_BYTES)
        self.assertLess(report["feeder"]["ahead_bytes"], DATA_BYTES * 3 // 2)
        self.assertEqual(report["processes"], 5)

    def test_feeder_stays_while_a_program_has_it_and_then_ends(self):
        pid = self.start_feeder()
        child = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\n"
             "os.open(sys.argv[1], os.O_RDONLY)\nsys.stdin.read()",
             self.path("data")], env=self.env, stdin=subprocess.PIPE)

        def has_board():
            with open(f"/proc/{child.pid}/maps", encoding="utf-8") as file:
                return "feedgpu-board" in file.read()
        wait_for(has_board)
        time.sleep(3.5)
        self.assertTrue(is_alive(pid))
        child.communicate()
        wait_for(lambda: not is_alive(pid))
        self.assertFalse(os.path.exists(self.board))

    def test_many_at_once_have_one_feeder(self):
        env = {**self.env, "FEEDGPU_RUN_IDLE_SECONDS": "5"}
        children = [subprocess.Popen(["cat", self.path("data")], env=env,
                                     stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
                    for _ in range(20)]
        for child in children:
            out, err = child.communicate(timeout=GIVE_UP_S)
            self.assertEqual((hashlib.sha256(out).hexdigest(), err),
                             (self.sum, b""))
        wait_for(self.feeder)
        self.end_feeder()
        self.assertEqual(len(self.reports()), 1)

    def test_feeder_in_the_foreground_says_how_and_reports(self):
        feeder = subprocess.Popen(
            [PATHS["tool"], "feed", "--json"], env=self.without, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = feeder.stdout.readline()
        self.assertRegex(line, r"^LD_PRELOAD=/\S+preload\.so COMMAND\n$")
        done = self.launch(PATHS["tool"], "feed", env=self.without)
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (1, f"feedgpu: feed: {self.board}: another feeder is "
                          "there\n"))
        self.assertEqual(self.feeder(), feeder.pid)
        self.cat_often(env={**self.env, "LD_PRELOAD": line[11:].split()[0]})
        feeder.send_signal(signal.SIGINT)
        out, err = feeder.communicate(timeout=GIVE_UP_S)
        self.assertEqual((feeder.returncode, out, err), (0, "", ""))
        report, = self.reports()
        self.assertGreater(report["feeder"]["memory_bytes"], 0)

    def test_feeder_keeps_nothing_of_where_it_was_started(self):
        with open(self.path("data"), "rb") as file:
            pid = self.start_feeder()
            os.set_inheritable(file.fileno(), True)
        opened = {os.readlink(path) for path in
                  glob.glob(f"/proc/{pid}/fd/*")}
        self.assertNotIn(self.path("data"), opened)
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        self.assertNotEqual(os.getsid(pid), os.getsid(0))


class Unseen(Plain):
    """The program cannot tell that something was started."""

    def witness(self, kind, env):
        def own_session():
            os.setsid()
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" $$ $$', "sh", sys.executable, "-S",
             "-c", WITNESS, self.path("data"), kind], env=env, cwd=self.folder,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            preexec_fn=own_session, timeout=GIVE_UP_S)
        self.assertEqual((done.stderr, done.returncode), (b"", 0))
        return done.stdout

    def test_children_signals_and_descriptors_are_the_same(self):
        for kind in ("plain", "count", "ignore", "block"):
            with self.subTest(kind=kind):
                without = self.witness(kind, self.without)
                self.assertFalse(os.path.exists(self.board))
                self.assertEqual(self.witness(kind, self.env), without)
                wait_for(self.feeder)
                self.end_feeder()
                self.assertEqual(json.loads(without)[:2], [DATA_BYTES, True])

    def test_open_pipe_ends_with_the_program(self):
        read_end, write_end = os.pipe()
        child = subprocess.Popen(["cat", self.path("data")], env=self.env,
                                 stdout=subprocess.DEVNULL,
                                 pass_fds=(write_end,))
        os.close(write_end)
        child.wait(timeout=GIVE_UP_S)
        wait_for(self.feeder)
        with os.fdopen(read_end, "rb") as file:
            self.assertEqual(file.read(), b"")  # the feeder does not hold it

    def test_program_that_gets_orphans_starts_none(self):
        prctl = ctypes.CDLL(None).prctl  # 36: PR_SET_CHILD_SUBREAPER
        self.cat(preexec_fn=lambda: prctl(36, 1, 0, 0, 0))
        self.assertFalse(os.path.exists(self.board))


class Refused(Plain):
    """What cannot be had leaves programs unfed, and is not said."""

    def test_no_tool(self):
        self.is_unfed(env={**self.env, "FEEDGPU_TOOL": "/nowhere/feedgpu"})
        self.assertFalse(os.path.exists(self.board))

    def test_tool_that_fails(self):
        self.is_unfed(env={**self.env, "FEEDGPU_TOOL": "/bin/false"})
        self.is_unfed(env={**self.env, "FEEDGPU_RUN_NONSENSE": "1"})
        self.assertFalse(os.path.exists(self.board))

    def test_forbidden_by_variable(self):
        self.is_unfed(env={**self.env, "FEEDGPU_FEED": "0"})
        self.is_unfed(env={**self.env, "FEEDGPU_BOARD": ""})
        self.assertFalse(os.path.exists(self.board))

    def test_forbidden_by_variable_still_finds_one(self):
        self.start_feeder()
        self.cat_often(env={**self.env, "FEEDGPU_FEED": "0"})
        report, = self.reports()
        self.assertGreater(report["feeder"]["memory_bytes"], 0)

    def test_limited_address_space(self):
        limit = (1 << 33, 1 << 33)
        self.is_unfed(preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, limit))
        self.assertFalse(os.path.exists(self.board))

    def test_no_more_processes(self):
        is_root = os.getuid() == 0
        if is_root:
            os.chown(self.path("run"), NOBODY, NOBODY)

        def limit():
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
            if is_root:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
        self.is_unfed(preexec_fn=limit)
        self.assertFalse(os.path.exists(self.board))

    def test_stale_file_is_replaced(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        for text in (f"{gone.pid}:5:6\n", f"{os.getpid()}:0:1\n", "",
                     "1:2", "x" * 4000, "99999999999999999999:1:1\n"):
            with open(self.board, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(self.board, 0o600)
            self.drop()
            self.cat()
            wait_for(self.feeder)
            self.end_feeder()

    def test_killed_feeder_is_replaced(self):
        first = self.start_feeder()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not is_alive(first))
        self.assertTrue(os.path.exists(self.board))
        # Its threads end one by one, and hold the lock as long.
        wait_for(lambda: self.start_feeder() not in (0, first))

    def bad_file(self):
        self.is_unfed()
        done = self.launch(PATHS["tool"], "feed", "--detach", env=self.without)
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode()

    def test_link_is_not_followed(self):
        with open(self.path("other"), "w", encoding="utf-8") as file:
            file.write("mine")
        os.chmod(self.path("other"), 0o600)
        os.symlink(self.path("other"), self.board)
        self.assertIn("Too many levels of symbolic links", self.bad_file())
        self.assertEqual(self.text("other"), "mine")

    def test_file_that_others_may_read_is_not_believed(self):
        with open(self.board, "w", encoding="utf-8") as file:
            file.write("99999999:2:3\n")
        os.chmod(self.board, 0o644)
        self.assertIn("is not a regular file that only this user may read",
                      self.bad_file())

    def test_foreign_file_is_not_believed(self):
        if os.getuid() != 0:
            self.skipTest("only root can make one")
        with open(self.board, "w", encoding="utf-8") as file:
            file.write("99999999:2:3\n")
        os.chmod(self.board, 0o600)
        os.chown(self.board, NOBODY, NOBODY)
        self.assertIn("is not a regular file that only this user may read",
                      self.bad_file())

    def test_pipe_does_not_block(self):
        os.mkfifo(self.board, 0o600)
        said = self.bad_file()
        os.unlink(self.board)
        self.assertIn("is not a regular file", said)

    def test_no_place_to_write(self):
        script = ("mount -t tmpfs -o ro none /dev/shm || exit 99\n"
                  "unset XDG_RUNTIME_DIR\nexec cat \"$1\"")
        done = self.launch("unshare", "-m", "sh", "-c", script, "sh",
                           self.path("data"))
        if done.returncode != 0:
            self.skipTest("no mount namespace is to be had")
        self.sees_the_data(done)
        self.assertEqual(glob.glob(self.path("report-*")), [])


if __name__ == "__main__":
    main(__doc__)
