#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run: families of processes, running unfed, --bind, reports."""

import json
import os
import shutil
import signal
import subprocess
import sys

from run_fixture import PATHS, Case, is_alive, main


# Opens files, and reads them twice with a pause in between.
READER = """
import os, sys, time
fds = [os.open(path, os.O_RDONLY) for path in sys.argv[2:]]
for start in (0, 4096):
    for fd in fds:
        os.pread(fd, 4096, start)
    time.sleep(float(sys.argv[1]))
"""


class Families(Case):
    """Children of the program that outlive it, or their parents."""

    def report(self, done):
        return json.loads(done.stderr)

    def test_daemon_is_not_waited_for(self):
        done = self.run_tool(
            "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!; exit 3",
            options=("--json",))
        pid = int(done.stdout)
        try:
            self.assertEqual(done.returncode, 3)
            self.assertTrue(is_alive(pid))
            self.assertEqual(self.report(done)["kernel"]["left_behind"], 1)
        finally:
            os.kill(pid, signal.SIGKILL)

    def test_orphan_is_counted_and_leaves_no_zombie(self):
        with open(self.path("data"), "wb") as file:
            file.write(bytes(5 << 20))
        script = ("(sh -c 'echo $$ >pid; exec cat data >/dev/null' &)\n"
                  "until test -s pid; do :; done; read pid <pid\n"
                  "while test -e /proc/$pid; do :; done")
        done = self.run_tool("sh", "-c", script, options=("--json",))
        self.assertEqual(done.returncode, 0)
        kernel = self.report(done)["kernel"]
        self.assertEqual(kernel["processes"], 2)
        self.assertGreaterEqual(kernel["call_bytes"] +
                                self.served(self.report(done)), 5 << 20)

    @staticmethod
    def served(report):
        return report.get("feeder", {}).get("memory_bytes", 0)

    def test_children_are_counted_with_their_parent(self):
        with open(self.path("data"), "wb") as file:
            file.write(bytes(5 << 20))
        done = self.run_tool("sh", "-c", "cat data >/dev/null; true",
                             options=("--json",))
        kernel = self.report(done)["kernel"]
        self.assertEqual((kernel["processes"], kernel["unknown"]), (1, 0))
        self.assertGreaterEqual(kernel["call_bytes"] +
                                self.served(self.report(done)), 5 << 20)

    def test_program_that_closes_everything_runs(self):
        done = self.run_tool(sys.executable, "-c",
                             "import os\nos.closerange(3, 65536)\n"
                             "print(len(open('/proc/self/status').read()) > 9)")
        self.assertEqual((done.stdout, done.returncode), ("True\n", 0))


class Choice(Case):
    """Which files are looked at."""

    def folders(self, wanted, *paths, options=()):
        """Check whose files were seen: a feeder needs a moment for it."""
        for pause_s in (0.2, 1, 5):
            done = self.run_tool(sys.executable, "-c", READER, str(pause_s),
                                 *paths, options=(*options, "--json"))
            report = json.loads(done.stderr)
            seen = {os.path.basename(folder["folder"])
                    for folder in report["folders"] if folder["reads"] > 0
                    and folder["folder"].startswith((self.folder, "/usr/"))}
            if seen == wanted:
                break
        self.assertEqual((seen, done.returncode), (wanted, 0))

    def put(self, name):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(bytes(1 << 20))
        return self.path(name)

    def test_roots_and_globs_choose(self):
        paths = [self.put(name) for name in (
            "in/a.bin", "in/deep/b.bin", "out/c.bin", "glob/x1.bin",
            "glob/y1.bin")]
        self.folders({"in", "deep", "out", "glob"}, *paths)
        self.folders({"in", "deep"}, *paths, options=("--data-root", "in"))
        self.folders({"glob", "out"}, *paths, options=(
            "--data", "glob/x*.bin", "--data-root", "out/"))

    def test_root_behind_a_link_is_followed(self):
        self.put("real/a.bin")
        os.symlink("real", self.path("link"))
        for name in ("link", "real"):
            self.folders({"real"}, self.path(f"{name}/a.bin"),
                         options=("--data-root", "link"))

    def test_systems_folders_are_left_alone(self):
        path = self.put("in/a.bin")
        self.folders({"in"}, path, "/usr/bin/env")

    def test_small_files_are_left_alone(self):
        path = self.put("in/a.bin")
        self.folders(set(), path, options=(
            "--data-root", "in", "--min-file-bytes", str((1 << 20) + 1)))
        self.folders({"in"}, path, options=(
            "--data-root", "in", "--min-file-bytes", str(1 << 20)))


class Unfed(Case):
    """What cannot be had leaves the program unfed, not unstarted."""

    def test_missing_library_is_said_once(self):
        env = {**self.clean, "FEEDGPU_PRELOAD_LIB": "/nowhere/lib.so"}
        done = self.run_tool("sh", "-c", "echo $LD_PRELOAD.; exit 3", env=env)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (3, ".\n", "feedgpu: run: the program runs unfed: "
                          "FEEDGPU_PRELOAD_LIB: /nowhere/lib.so: No such file "
                          "or directory\n"))

    def unreached(self, *words):
        done = self.run_tool(*words, options=("--json",))
        report = json.loads(done.stderr)
        self.assertEqual(done.returncode, 0)
        self.assertIn(report["unreached"], report["verdict"]["advice"])
        return report["unreached"]

    def test_static_program_is_said(self):
        source = self.path("static.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <unistd.h>\n"
                       "int main(void) { return (int)sleep(1); }")
        try:
            subprocess.run(["cc", "-static", "-o", self.path("static"),
                            source], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("no static programs can be made here")
        self.assertEqual(self.unreached("./static"), "it is statically linked")
        self.assertEqual(self.unreached("sleep", "1"), "")

    def test_setuid_program_is_said(self):
        if os.getuid() != 0:
            self.skipTest("only root can make one that is another user's")
        os.chmod(self.folder, 0o755)
        shutil.copy("/bin/sleep", self.path("set"))
        os.chown(self.path("set"), 65534, 65534)
        os.chmod(self.path("set"), 0o4755)
        self.assertEqual(self.unreached("./set", "1"),
                         "it has more rights than its user (setuid, "
                         "capabilities)")

    def test_library_with_a_blank_in_its_path_is_refused(self):
        os.mkdir(self.path("a b"))
        library = self.path("a b/lib.so")
        with open(library, "wb"):
            pass
        env = {**self.clean, "FEEDGPU_PRELOAD_LIB": library}
        done = self.run_tool("true", env=env)
        self.assertEqual((done.returncode, done.stderr),
                         (0, f"feedgpu: run: the program runs unfed: {library}"
                          ": a path with a blank or a colon cannot be in "
                          "LD_PRELOAD\n"))

    def test_forbidden_memory_runs_unfed(self):
        if not PATHS["deny"]:
            self.skipTest("no deny")
        done = subprocess.run([PATHS["deny"], "memfd_create", "1",
                               PATHS["tool"], "run",
                               "--report", "json", "--", "sh", "-c",
                               "echo hello; exit 6"], capture_output=True,
                              text=True, env=self.clean, check=False)
        self.assertEqual((done.returncode, done.stdout), (6, "hello\n"))
        first, report = done.stderr.splitlines()
        self.assertRegex(first, "^feedgpu: run: the program runs unfed: ")
        self.assertEqual(json.loads(report)["fed"], False)


class Binding(Case):
    """--bind, on whatever node this machine has."""

    def node_of_first(self):
        cpu = min(os.sched_getaffinity(0))
        for name in os.listdir(f"/sys/devices/system/cpu/cpu{cpu}"):
            if name.startswith("node"):
                return name[4:]
        self.skipTest("this machine names no NUMA nodes")
        return None

    def test_program_runs_on_the_node(self):
        node = self.node_of_first()
        done = self.run_tool(
            "sh", "-c", "cat /proc/self/status /proc/self/numa_maps",
            options=("--bind", "--numa-node", node, "--report", "none"))
        if "set_mempolicy" in done.stderr:
            self.skipTest("memory policies are forbidden here")
        self.assertIn(f" prefer:{node} ", done.stdout)

    def test_allowed_cpus_are_kept_to(self):
        node = self.node_of_first()
        cpu = min(os.sched_getaffinity(0))
        done = self.run_tool(
            "grep", "Cpus_allowed_list", "/proc/self/status",
            options=("--bind", "--numa-node", node, "--report", "none"),
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        self.assertEqual(done.stdout, f"Cpus_allowed_list:\t{cpu}\n")

    def test_program_that_moves_away_is_seen(self):
        node = self.node_of_first()
        cpus = os.sched_getaffinity(0)
        if len(cpus) < 2:
            self.skipTest("one CPU")
        done = self.run_tool(
            sys.executable, "-c",
            f"import os; os.sched_setaffinity(0, {sorted(cpus)})",
            options=("--bind", "--numa-node", node, "--json"),
            preexec_fn=lambda: os.sched_setaffinity(0, {min(cpus)}))
        home = json.loads(done.stderr.splitlines()[-1])["home"]
        self.assertEqual((home["bound"], home["undone"]), (True, True))

    def test_unknown_node_is_wrong_usage(self):
        done = self.run_tool("true", options=("--numa-node", "4000"))
        self.assertEqual((done.returncode, done.stderr),
                         (2, "feedgpu: run: --numa-node: node 4000: not online "
                          "here\n"))


class Reports(Case):
    """Where they go, and that they hang together."""

    def test_report_file_gets_it_and_stderr_stays_free(self):
        for kind in ("text", "json", "html"):
            done = self.run_tool("sh", "-c", "echo x >&2", options=(
                "--report", kind, "--report-file", "r"))
            self.assertEqual((done.stdout, done.stderr), ("", "x\n"))
            self.assertIn("echo x", self.text("r"))

    def test_json_is_one_line_with_the_whole(self):
        done = self.run_tool("sh", "-c", "exit 3", options=("--json",))
        self.assertEqual(len(done.stderr.splitlines()), 1)
        report = json.loads(done.stderr)
        self.assertEqual((report["schema"], report["type"]), (1, "run"))
        self.assertEqual(report["command"], ["sh", "-c", "exit 3"])
        self.assertEqual(report["exit_status"], 3)
        self.assertIsNone(report["gpu"])
        self.assertGreater(report["wall_s"], 0)

    def test_names_are_escaped_in_html(self):
        self.run_tool("true", "<b>&\"", options=(
            "--report", "html", "--report-file", "r"))
        self.assertIn("'&lt;b&gt;&amp;&quot;'", self.text("r"))
        self.assertNotIn("<b>", self.text("r"))

    def test_report_file_names_rank_and_process(self):
        env = {**self.clean, "RANK": "3", "WORLD_SIZE": "4"}
        done = self.run_tool("true", env=env, options=(
            "--json", "--report-file", "r%r-%p%%-%x"))
        names = os.listdir(self.folder)
        self.assertEqual((done.stderr, len(names)), ("", 1))
        self.assertRegex(names[0], r"^r3-\d+%-%x$")
        self.assertEqual(json.loads(self.text(names[0]))["rank"], "3")

    def test_odd_bytes_in_names_do_no_harm(self):
        word = b"\x1b[31m\xff\n\x7f"
        done = self.run_tool("true", word, options=("--report", "text"))
        self.assertEqual(set(done.stderr) & set("\x1b\x7f"), set())
        done = self.run_tool("true", word, options=("--json",))
        self.assertEqual(json.loads(done.stderr)["command"][1],
                         "\x1b[31m?\n\x7f")

    def test_text_fits_the_page(self):
        done = self.run_tool("true", "x" * 50, "y" * 70, "z" * 400,
                             options=("--report", "text"))
        self.assertLessEqual(max(map(len, done.stderr.splitlines())), 80)

    def test_unwritable_report_is_said_before_the_start(self):
        done = self.run_tool("touch", "started", options=(
            "--report-file", "no/such/folder"))
        self.assertEqual((done.returncode, done.stderr),
                         (125, "feedgpu: no/such/folder: open: No such file or "
                          "directory\n"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_full_disk_does_not_change_the_status(self):
        done = self.run_tool("sh", "-c", "exit 3", options=(
            "--report-file", "/dev/full"))
        self.assertEqual((done.returncode, done.stderr),
                         (3, "feedgpu: /dev/full: write: No space left on "
                          "device\n"))


if __name__ == "__main__":
    main(__doc__)
