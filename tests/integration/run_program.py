#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run against env(1): a program must not notice who started it.

What a program can see of how it was started is compared with what it sees
under env; signals, job control and endings are looked at from outside.
"""

import json
import os
import pty
import resource
import signal
import subprocess
import sys

from run_fixture import GIVE_UP_S, PATHS, Case, main, wait_for

# Says what it is and how it was started, without adding anything itself.
PROBE = r"""
import json, os, resource, stat, sys
def fds():
    found = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return {k: v for k, v in found.items() if "/proc/" not in v}
def status():
    wanted = ("Umask", "SigBlk", "SigIgn", "SigCgt", "Cpus_allowed_list",
              "Mems_allowed_list", "NoNewPrivs", "Seccomp", "CapEff",
              "Groups", "Uid", "Threads")
    with open("/proc/self/status") as file:
        lines = [line.split(":", 1) for line in file if ":" in line]
    return {k: v.strip() for k, v in lines if k in wanted}
def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        return str(error)
out = {
    "fds": fds(), "status": status(), "cwd": os.getcwd(),
    "nice": os.nice(0), "limits": text("/proc/self/limits"),
    "session": os.getsid(0), "group": os.getpgrp(),
    "oom": text("/proc/self/oom_score_adj"),
    "slack": text("/proc/self/timerslack_ns"),
    "argv": sys.argv[1:],
    "environment": {k: v for k, v in os.environ.items()
                    if k not in ("LD_PRELOAD", "FEEDGPU_BOARD",
                                 "CUDA_INJECTION64_PATH", "_")},
}
with open(sys.argv[1], "w") as file:
    json.dump(out, file)
"""


class Endings(Case):
    """Its status is ours."""

    def test_exit_status_is_given_back(self):
        for status in (0, 1, 3, 125, 126, 127, 130, 255):
            done = self.run_tool("sh", "-c", f"exit {status}")
            self.assertEqual((done.returncode, done.stderr), (status, ""))

    def test_signal_ends_the_launcher_too(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV,
                       signal.SIGINT, signal.SIGHUP, signal.SIGPIPE,
                       signal.SIGUSR1, signal.SIGALRM):
            done = self.run_tool("sh", "-c", f"kill -{int(number)} $$")
            self.assertEqual((done.returncode, done.stderr),
                             (-int(number), ""))

    def test_no_core_of_the_launcher(self):
        def cores():
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        done = self.run_tool("sh", "-c", "ulimit -c 0; kill -6 $$",
                             preexec_fn=cores)
        self.assertEqual(done.returncode, -6)
        self.assertEqual(os.listdir(self.folder), [])

    def test_command_not_found_is_127(self):
        done = self.run_tool("no-such-program")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (127, "", "feedgpu: no-such-program: No such file or "
                                   "directory\n"))

    def test_command_not_executable_is_126(self):
        with open(self.path("plain"), "w", encoding="utf-8") as file:
            file.write("text\n")
        done = self.run_tool("./plain")
        self.assertEqual((done.returncode, done.stderr),
                         (126, "feedgpu: ./plain: Permission denied\n"))
        done = self.run_tool("./plain/deeper")
        self.assertEqual((done.returncode, done.stderr),
                         (126, "feedgpu: ./plain/deeper: Not a directory\n"))

    def test_arguments_are_untouched(self):
        words = ["--", "-x", "--memory", "a b", "", "\n", "*"]
        done = self.run_tool("printf", "[%s]", *words)
        self.assertEqual(done.stdout, "".join(f"[{w}]" for w in words))

    def test_first_operand_ends_the_options(self):
        done = subprocess.run([PATHS["tool"], "run", "--report", "none", "echo",
                               "--report", "json", "-h"], env=self.clean,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "--report json -h\n")

    def test_large_streams_pass_through(self):
        data = os.urandom(3 << 20).hex()
        done = self.run_tool("cat", input=data)
        self.assertEqual(done.stdout, data)


class Sameness(Case):
    """What the program sees, beside what it sees under env(1)."""

    def probe(self, launcher, out, **more):
        env = {**self.clean, "ODD": "a=b\nc", **more.pop("env", {})}
        subprocess.run([*launcher, sys.executable, "-c", PROBE, out],
                       timeout=GIVE_UP_S, check=False,
                       cwd=more.pop("cwd", self.folder), env=env, **more)
        with open(out, encoding="utf-8") as file:
            return json.load(file)

    def check(self, **more):
        out = self.path("out")
        env = self.probe(["env"], out, **more)
        tool = self.probe([PATHS["tool"], "run", "--report", "none", "--"],
                          out, **more)
        self.assertEqual(env, tool)
        return tool

    def test_plain_start_is_the_same(self):
        self.check()

    def test_inherited_descriptors_are_the_same(self):
        with open(self.path("kept"), "w", encoding="utf-8") as file:
            os.set_inheritable(file.fileno(), True)
            seen = self.check(pass_fds=[file.fileno()])
        self.assertIn(self.path("kept"), seen["fds"].values())

    def test_signal_state_is_the_same(self):
        def ignore():
            for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGHUP,
                           signal.SIGTERM, signal.SIGQUIT, signal.SIGTSTP):
                signal.signal(number, signal.SIG_IGN)

        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK,
                                   {signal.SIGUSR1, signal.SIGTERM,
                                    signal.SIGCHLD, signal.SIGCONT})
        self.check(preexec_fn=ignore)
        self.check(preexec_fn=block)
        self.check(restore_signals=False)

    def test_limits_and_umask_are_the_same(self):
        def lower():
            os.umask(0o027)
            os.nice(3)
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        self.check(preexec_fn=lower)

    def test_session_is_the_same(self):
        out = self.path("out")
        seen = self.probe([PATHS["tool"], "run", "--report", "none", "--"], out,
                          start_new_session=True)
        self.assertEqual(seen["session"], seen["group"])

    def test_closed_streams_stay_closed(self):
        for closed in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)):
            def close(closed=closed):
                for fd in closed:
                    os.close(fd)
            self.check(preexec_fn=close)

    def test_folder_without_writing_is_no_matter(self):
        self.check(cwd="/proc")

    def test_preload_of_others_is_kept(self):
        env = {**self.clean, "LD_PRELOAD": "libm.so.6"}
        done = self.run_tool("sh", "-c", "echo $LD_PRELOAD", env=env)
        self.assertRegex(done.stdout, r"^/.*/libfeedgpu-preload.so:libm.so.6$")

    def test_run_under_run_works(self):
        done = self.run_tool(PATHS["tool"], "run", "--report", "none", "sh",
                             "-c", "echo $LD_PRELOAD; exit 4")
        self.assertEqual((done.returncode, done.stderr), (4, ""))
        self.assertEqual(done.stdout.count("libfeedgpu-preload.so"), 1)


HANDLER = """
import signal, sys
got = {signal.%s}
signal.pthread_sigmask(signal.SIG_BLOCK, got)
print("ready", flush=True)
signal.sigwait(got)
signal.alarm(0)
more = signal.sigtimedwait(got, 0.3)
print("more" if more else "once")
sys.exit(5)
"""


class Signals(Case):
    """What reaches the program, and how often."""

    def test_signals_are_passed_on_once(self):
        for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT",
                     "SIGQUIT", "SIGALRM", "SIGRTMIN"):
            child = self.start(HANDLER % name)
            child.send_signal(getattr(signal, name))
            out, err = child.communicate(timeout=GIVE_UP_S)
            self.assertEqual((out, err, child.returncode), ("once\n", "", 5))

    def test_default_action_ends_both(self):
        child = self.start("import time\nprint('ready', flush=True)\n"
                           "time.sleep(600)")
        child.terminate()
        self.assertEqual(child.wait(GIVE_UP_S), -signal.SIGTERM)

    def test_report_comes_after_the_end(self):
        child = self.start("import signal, time\n"
                           "signal.signal(2, lambda *_: exit(7))\n"
                           "print('ready', flush=True)\n"
                           "time.sleep(600)", "--report", "text")
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=GIVE_UP_S)
        self.assertEqual(child.returncode, 7)
        self.assertIn("exit status 7", err)

    def test_killed_launcher_leaves_the_program_unharmed(self):
        data = os.urandom(20 << 20)
        with open(self.path("data"), "wb") as file:
            file.write(data)
        child = self.start(
            "import os, time\n"
            "file = open('data', 'rb')\n"
            "first = file.read(1 << 20)\n"
            "print('ready', flush=True)\n"
            f"while os.getppid() == {os.getpid()} or "
            "not os.path.exists('go'):\n"
            "    time.sleep(0.01)\n"
            "rest = file.read(7)\n"
            "while True:\n"
            "    piece = file.read(123457)\n"
            "    if not piece:\n"
            "        break\n"
            "    rest += piece\n"
            "with open('copy.part', 'wb') as out:\n"
            "    out.write(first + rest)\n"
            "os.rename('copy.part', 'copy')\n")
        child.kill()
        child.wait()
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        wait_for(lambda: os.path.exists(self.path("copy")))
        with open(self.path("copy"), "rb") as file:
            self.assertEqual(file.read() == data, True)


# A shell in a few lines: starts its command as the job in front, says how it
# stopped, continues it, and says how it ended.
SHELL = r"""
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        print("ended", status, flush=True)
        break
    print("stopped", os.WSTOPSIG(status), flush=True)
    os.tcsetpgrp(0, pid)
    os.killpg(pid, signal.SIGCONT)
"""


# Stops whoever started it, and so itself.
STOPPER = """
import os, signal
print("ready", flush=True)
os.kill(os.getppid(), signal.SIGTSTP)
print("got", input(), flush=True)
"""


class Terminal(Case):
    """A terminal's signals go to the whole group."""

    def converse(self, script, *steps):
        """Type each step's second part when its first has been seen."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(sys.executable,
                      [sys.executable, "-c", SHELL, PATHS["tool"], "run",
                       "--report", "none", "--", sys.executable, "-c", script],
                      self.clean)
        seen = ""
        steps = list(steps)
        try:
            while True:
                try:
                    piece = os.read(fd, 4096).decode()
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
                while steps and steps[0][0] in seen:
                    os.write(fd, steps.pop(0)[1])
        finally:
            os.close(fd)
            os.waitpid(pid, 0)
        return seen.replace("\r\n", "\n")

    def test_interrupt_reaches_the_program_once(self):
        seen = self.converse(HANDLER % "SIGINT", ("ready", b"\x03"))
        self.assertIn("once\n", seen)
        self.assertIn(f"ended {5 << 8}\n", seen)

    def test_interrupt_ends_the_launcher_by_it(self):
        seen = self.converse("import signal, time\n"
                             "signal.signal(2, signal.SIG_DFL)\n"
                             "print('ready', flush=True)\n"
                             "time.sleep(600)", ("ready", b"\x03"))
        self.assertIn("ended 2\n", seen)

    def test_stop_and_continue(self):
        seen = self.converse("print('ready', flush=True)\n"
                             "print('got', input(), flush=True)\n",
                             ("ready", b"\x1a"), ("stopped 20\r\n", b"more\n"))
        self.assertIn(f"stopped {int(signal.SIGTSTP)}\n", seen)
        self.assertIn("got more\n", seen)
        self.assertIn("ended 0\n", seen)

    def test_stop_of_the_launcher_stops_and_continues_both(self):
        seen = self.converse(STOPPER, ("stopped 20\r\n", b"more\n"))
        self.assertIn("stopped 20\n", seen)
        self.assertIn("got more\n", seen)
        self.assertIn("ended 0\n", seen)


if __name__ == "__main__":
    main(__doc__)
