#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""feedgpu run's GPU half, with doubles of CUDA and CUPTI. There is no GPU.

The program's own account of what it had its GPU do is compared with the
report's, which came through recorder, board, feeder and timeline.
"""

import json
import os
import subprocess
import sys

from run_fixture import PATHS, Case, main

DOUBLES = os.environ.get("FEEDGPU_TEST_DOUBLES", "")
FILE_BYTES = 32 << 20
STEPS = 8


class Gpu(Case):
    """A loop of reads, copies and kernels."""

    def setUp(self):
        super().setUp()
        with open(self.path("data"), "wb") as file:
            file.write(os.urandom(1 << 20) * (FILE_BYTES >> 20))

    def run_program(self, *words, options=(), env=None):
        """The report, and the program's own account."""
        done = self.run_tool(
            os.path.join(DOUBLES, "gpu_program"), *words, str(STEPS),
            self.path("data"),
            options=("--report", "json", "--report-file", self.path("report"),
                     "--memory", "64MiB", *options),
            env={**self.clean, "LD_LIBRARY_PATH": DOUBLES, **(env or {})})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(self.text("report")), json.loads(done.stdout)

    def words(self, words):
        return {"FEEDGPU_DOUBLE_CUPTI": words}

    def check_account(self, report, own):
        """Everything but what the shim cannot know to the nanosecond."""
        gpu, = report["gpu"]["gpus"]
        labels = gpu["labels"]
        self.assertAlmostEqual(gpu["window_s"], own["window_ns"] / 1e9, 6)
        self.assertAlmostEqual(labels["compute"], own["busy_ns"] / 1e9, 6)
        self.assertAlmostEqual(sum(labels.values()), gpu["window_s"], 6)
        self.assertAlmostEqual(labels["h2d"], own["copy_ns"] / 1e9, 6)
        # The program's clock begins before the shim's, and ends after it.
        self.assertGreater(gpu["idle_read_s"], 0)
        self.assertLessEqual(gpu["idle_read_s"], own["read_ns"] / 1e9 + 1e-6)
        self.assertLessEqual(labels["storage_device"], gpu["idle_read_s"])
        self.assertEqual(gpu["kernels"], 2 * STEPS)
        return gpu


class Accounts(Gpu):
    """What is recorded is what was done."""

    def test_account_is_the_programs_own(self):
        report, own = self.run_program()
        self.assertEqual(own["recorded"], 1)
        gpu = self.check_account(report, own)
        self.assertEqual((gpu["bus_id"], gpu["name"]),
                         ("0000:C1:00.0", "double of a GPU 0"))
        pinned, pageable = gpu["pinned"], gpu["pageable"]
        self.assertEqual((pinned["count"], pinned["bytes"], pinned["small"]),
                         (STEPS / 2, STEPS / 2 * (1 << 20), 0))
        self.assertEqual((pageable["count"], pageable["small"]),
                         (STEPS / 2, STEPS / 2))
        self.assertEqual(pinned["alone"] + pageable["alone"], STEPS)
        self.assertAlmostEqual(pinned["bytes_per_s"], (1 << 20) / 1e-3, -3)
        self.assertEqual(gpu["memsets"], STEPS)
        recorder, = report["gpu"]["recorders"]
        self.assertEqual(
            (recorder["pid"], recorder["on"], recorder["whole"],
             recorder["note"], recorder["cupti"], recorder["records"]),
            (own["pid"], True, True, "", 130001, 4 * STEPS))
        self.assertEqual(report["gpu"]["spans_lost"], 0)
        self.assertEqual(report["gpu"]["spans_wrong"], 0)

    def test_records_out_of_order_make_no_difference(self):
        report, own = self.run_program(env=self.words("disorder"))
        gpu = self.check_account(report, own)
        self.assertEqual(gpu["late"], 0)

    def test_observing_sees_the_same(self):
        report, own = self.run_program(options=("--observe-only",))
        self.check_account(report, own)

    def test_forked_child_leaves_all_to_its_parent(self):
        report, own = self.run_program("--fork")
        self.check_account(report, own)
        self.assertEqual(len(report["gpu"]["recorders"]), 1)

    def test_gpu_that_the_driver_does_not_name_is_one(self):
        report, own = self.run_program(env={"FEEDGPU_DOUBLE_CUDA": "nodevice"})
        gpu = self.check_account(report, own)
        self.assertEqual((gpu["bus_id"], gpu["name"]), ("", ""))

    def test_killed_program_has_told_what_was_complete(self):
        done = self.run_tool(
            os.path.join(DOUBLES, "gpu_program"), "--kill", str(STEPS),
            self.path("data"), options=("--json", "--report-file",
                                        self.path("report")),
            env={**self.clean, "LD_LIBRARY_PATH": DOUBLES})
        self.assertEqual(done.returncode, -9)
        report = json.loads(self.text("report"))
        self.check_account(report, json.loads(done.stdout))
        self.assertFalse(report["gpu"]["recorders"][0]["whole"])

    def test_verdict_is_about_the_gpu(self):
        report, _ = self.run_program()
        self.assertIn("the GPU computed", report["verdict"]["text"])
        self.assertIn(report["gpu"]["fix_first"],
                      ("storage_device", "h2d", "host"))


class Losses(Gpu):
    """What is not in the numbers is counted."""

    def recorder(self, words):
        report, own = self.run_program(env=self.words(words))
        self.check_account(report, own)
        return report["gpu"]["recorders"][0]

    def test_dropped_records_are_counted(self):
        self.assertEqual(self.recorder("drop")["dropped"], 7)

    def test_records_without_times_are_counted(self):
        self.assertEqual(self.recorder("untimed")["untimed"], STEPS)

    def test_records_of_other_kinds_are_counted(self):
        self.assertGreater(self.recorder("strange")["unknown"], 0)


class Off(Gpu):
    """It stays out, says why, and the program runs as ever."""

    def check_off(self, note, env=None):
        report, own = self.run_program(env=env)
        recorder, = report["gpu"]["recorders"]
        self.assertEqual((recorder["on"], recorder["note"]), (False, note))
        self.assertEqual(report["gpu"]["gpus"], [])
        self.assertGreater(own["busy_ns"], 0)

    def test_taken_by_another_profiler(self):
        self.check_off("another profiler has CUPTI in this program",
                       self.words("taken"))

    def test_newer_than_the_driver(self):
        self.check_off(
            "CUPTI is newer than the driver: 140000, which is of CUDA 14, and "
            "the driver's CUDA is 13.0",
            {**self.words("newer"),
             "FEEDGPU_CUPTI_LIB": os.path.join(DOUBLES, "libcupti.so.13")})

    def test_older_than_the_clock(self):
        self.check_off(
            "CUPTI is older than CUDA 11.6: no "
            "cuptiActivityRegisterTimestampCallback",
            {"FEEDGPU_CUPTI_LIB": os.path.join(DOUBLES, "libcupti-old.so")})

    def test_activities_refused(self):
        self.check_off("CUPTI: activities: CUPTI_ERROR_NOT_COMPATIBLE",
                       self.words("refuse"))

    def test_named_library_is_missing(self):
        self.check_off("FEEDGPU_CUPTI_LIB: /nowhere: cannot be loaded",
                       {"FEEDGPU_CUPTI_LIB": "/nowhere"})

    def test_program_without_cuda(self):
        self.run_tool("true", options=("--json", "--report-file",
                                       self.path("report")))
        report = json.loads(self.text("report"))
        self.assertEqual((report["gpu"], report["gpu_why"]),
                         (None, "no process of the program started CUDA"))

    def test_no_gpu_is_wanted(self):
        report, own = self.run_program(options=("--no-gpu",))
        self.assertEqual(own["recorded"], 0)
        self.assertEqual(report["gpu_why"], "--no-gpu")

    def test_users_own_injection_stays(self):
        script = 'test "$CUDA_INJECTION64_PATH" = /theirs'
        done = self.run_tool(
            "sh", "-c", script, options=("--json", "--report-file",
                                         self.path("report")),
            env={**self.clean, "CUDA_INJECTION64_PATH": "/theirs"})
        self.assertEqual(done.returncode, 0)
        self.assertEqual(
            json.loads(self.text("report"))["gpu_why"],
            "CUDA_INJECTION64_PATH is set to /theirs already, and stays so")

    def test_program_without_feeder_runs(self):
        """The library without a board: CUDA starts, nothing is recorded."""
        library = os.path.join(os.path.dirname(PATHS["tool"]), "..", "lib",
                               "libfeedgpu-cupti.so")
        for board in ({}, {"FEEDGPU_BOARD": "1:2:3"}, {"FEEDGPU_BOARD": "x"}):
            done = subprocess.run(
                [os.path.join(DOUBLES, "gpu_program"), "1",
                 self.path("data")], capture_output=True, text=True,
                check=False,
                env={**self.clean, "LD_LIBRARY_PATH": DOUBLES,
                     "CUDA_INJECTION64_PATH": library, **board})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(json.loads(done.stdout)["recorded"], 0)


class Trace(Gpu):
    """The timeline is JSON, and whole."""

    def trace(self):
        report, own = self.run_program(options=("--trace", self.path("trace")))
        with open(self.path("trace"), encoding="utf-8") as file:
            return json.load(file)["traceEvents"], report, own

    def test_spans_are_all_there(self):
        events, report, own = self.trace()
        spans = [e for e in events if e["ph"] == "X"]
        self.assertEqual(len(spans), report["gpu"]["spans"])
        kernels = [e for e in spans if e["name"] == "kernel"]
        self.assertEqual(len(kernels), 2 * STEPS)
        self.assertEqual({e["tid"] for e in kernels}, {7})
        self.assertTrue(all(abs(e["dur"] - 2000) < 0.01 for e in kernels))
        copies = [e for e in spans if e["name"] == "copy to the GPU"]
        self.assertEqual({e["args"]["memory"] for e in copies},
                         {"pinned", "pageable"})
        reads = [e for e in spans if e["name"] == "read call"]
        self.assertEqual({e["pid"] for e in reads}, {own["pid"]})
        self.assertTrue(any(e["args"]["path"].endswith("/data")
                            for e in reads))
        starts = sorted(e["ts"] for e in kernels)
        self.assertAlmostEqual(
            max(e["ts"] + e["dur"] for e in kernels) - starts[0],
            own["window_ns"] / 1e3, 1)

    def test_gpus_are_named(self):
        events, _, _ = self.trace()
        names = [e["args"]["name"] for e in events
                 if e["name"] == "process_name"]
        self.assertEqual(names, ["GPU 0 0000:C1:00.0 double of a GPU 0"])

    def test_without_a_gpu_it_has_reads_only(self):
        done = self.run_tool("sha256sum", self.path("data"),
                             options=("--report", "none", "--trace",
                                      self.path("trace")))
        self.assertEqual(done.returncode, 0)
        with open(self.path("trace"), encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        self.assertTrue(all(e["ph"] == "M" or e["name"] == "read call"
                            for e in events))

    def test_file_that_cannot_be_made_stops_it(self):
        done = self.run_tool("true", options=("--trace", "/nowhere/trace"))
        self.assertEqual(
            (done.returncode, done.stderr),
            (125, "feedgpu: /nowhere/trace: open: No such file or "
                  "directory\n"))


class Reports(Gpu):
    """For people."""

    def report(self, *options):
        done = self.run_tool(
            os.path.join(DOUBLES, "gpu_program"), str(STEPS),
            self.path("data"), options=options,
            env={**self.clean, "LD_LIBRARY_PATH": DOUBLES})
        self.assertEqual(done.returncode, 0)
        return done.stderr

    def test_text_has_labels_and_copies(self):
        text = self.report("--report", "text")
        for wanted in ("GPU       0000:C1:00.0 double of a GPU 0: computed",
                       "\n  compute  ", "\n  h2d  ", "\ncopies    pinned, 4 ",
                       "\ncopies    pageable, 4 ", "\nfix first "):
            self.assertIn(wanted, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_html_has_labels_and_copies(self):
        self.report("--report", "html", "--report-file", self.path("html"))
        text = self.text("html")
        for wanted in ("<h2>GPUs</h2>", "double of a GPU 0", "<td>compute",
                       "<td>pinned memory", "Fix first"):
            self.assertIn(wanted, text)


if __name__ == "__main__":
    if not DOUBLES:
        sys.exit("run_gpu.py: FEEDGPU_TEST_DOUBLES is not set")
    main(__doc__)
