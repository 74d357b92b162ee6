#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Show every tidy rule a bad file that it must find, and a good one."""

import sys
import unittest

import rules
import tidy

TAG = "/* SPDX-License-Identifier: Apache-2.0 */\n"
LONG_BODY = "    x++;\n" * 71

# rule -> (path, text, line and words of the finding)
BAD = {
    "spdx_comes_first": [
        ("io/a.c", "int fgi_a;\n", 1, "SPDX"),
        ("tests/run.sh", "#!/bin/sh\necho\n# SPDX-License-Identifier: "
         "Apache-2.0\n", 1, "SPDX"),
    ],
    "lines_fit_the_page": [
        ("io/a.c", TAG + "/* " + "x" * 80 + " */\n", 2, "86 columns"),
        ("io/a.c", TAG + "\tint fgi_a;\n", 2, "a tab"),
        ("io/a.c", TAG + "int fgi_a; \n", 2, "blanks"),
    ],
    "files_are_short": [
        ("io/a.c", TAG + "\n" * 500, 500, "501 lines"),
    ],
    "functions_are_short": [
        ("io/a.c", TAG + "void fgi_a(int x)\n{\n" + LONG_BODY + "}\n", 3,
         "fgi_a: 71 lines"),
    ],
    "functions_take_few_parameters": [
        ("io/a.c", TAG + "void fgi_a(int a, int b, int c,\n           int d, "
         "int e, int f,\n           int g, struct fg_error *err)\n{\n}\n", 5,
         "fgi_a: 7 parameters"),
    ],
    "nothing_is_left_to_do": [
        ("io/a.c", TAG + "/* " + "TO" + "DO: later */\n", 2, "unfinished"),
    ],
    "layers_are_kept": [
        ("io/a.c", TAG + '#include "gpu/device.h"\n', 2, "not to be seen"),
        ("gpu/a.c", TAG + '#include "io/file.h"\n', 2, "not to be seen"),
        ("io/a.c", TAG + '#include "runtime/plan.h"\n', 2, "not to be seen"),
        ("runtime/base/a.c", TAG + '#include "runtime/plan.h"\n', 2,
         "not to be seen"),
        ("tools/feedgpu/a.c", TAG + '#include "runtime/base/mem.h"\n', 2,
         "not to be seen"),
        ("examples/a.c", TAG + '#include "io/file.h"\n', 2, "not to be seen"),
        ("include/feedgpu/a.h", TAG + '#include "io/file.h"\n', 2,
         "not to be seen"),
        ("io/a.c", TAG + '#include "file.h"\n', 2, "from the root"),
        ("tools/feedgpu/a.c", TAG + '#include "../io/file.h"\n', 2,
         "from the root"),
        ("io/a.c", TAG + '#include "feedgpu/error.h"\n', 2, "angle"),
    ],
    "dependencies_stay_in_their_room": [
        ("io/pread.c", TAG + "#include <liburing.h>\n", 2, "liburing.h: only"),
        ("io/file.c", TAG + "#include <numa.h>\n", 2, "numa.h: only"),
        ("runtime/a.c", TAG + "#include <zstd.h>\n", 2, "zstd.h: only"),
        ("gpu/host.c", TAG + "#include <cuda_runtime_api.h>\n", 2, "only for"),
        ("runtime/a.c", TAG + "#include <jansson.h>\n", 2, "only for"),
    ],
    "library_is_quiet": [
        ("io/a.c", TAG + "void fgi_a(void)\n{\n    exit(1);\n}\n", 4, "exit:"),
        ("io/a.c", TAG + "void fgi_a(void)\n{\n    fputs(x, stderr);\n}\n", 4,
         "stderr:"),
        ("gpu/a.c", TAG + "const char *fgi_a(void)\n{\n    return getenv(x);"
         "\n}\n", 4, "getenv:"),
    ],
    "library_allocates_through_base": [
        ("io/a.c", TAG + "void *fgi_a(void)\n{\n    return malloc(1);\n}\n",
         4, "malloc:"),
    ],
    "library_functions_have_a_prefix": [
        ("io/a.c", TAG + "int read_all(void)\n{\n}\n", 3, "read_all:"),
        ("io/a.c", TAG + "static int fgi_read(void)\n{\n}\n", 3, "fgi_read:"),
    ],
    "public_prototypes_are_documented": [
        ("include/feedgpu/a.h", TAG + "\nFG_EXPORT int fg_a(void);\n", 3,
         "without a comment"),
    ],
    "structs_are_not_typedefs": [
        ("io/a.h", TAG + "typedef struct fg_a fg_a_t;\n", 2, "keyword"),
    ],
}

# Each of these looks a little like a fault and is none.
GOOD = [
    ("io/a.c", TAG + '/* malloc(1) and exit(1), stderr */\n'
     '#include "io/file.h"\n#include "runtime/base/mem.h"\n'
     "#include <feedgpu/error.h>\n\n"
     "__attribute__((format(printf, 1, 2))) static void\nsay(const char *f, "
     "...)\n{\n    snprintf(0, 0, f);\n    text = \"exit(1)\";\n"
     "    ops->exit(1);\n}\n"),
    ("runtime/base/numa.c", TAG + "#include <numaif.h>\n"),
    ("io/uring.c", TAG + "#include <liburing.h>\n"),
    ("io/a.c", TAG + "typedef enum fg_status (*open_fn)(int x);\n"),
    ("gpu/cuda_copy.c", TAG + "#include <cuda_runtime_api.h>\n"),
    ("tools/feedgpu/a.c", TAG + '#include "size.h"\n#include <jansson.h>\n'),
    ("include/feedgpu/a.h", TAG + "/* Do a. */\nFG_EXPORT int fg_a(void);\n"),
    ("tests/unit/test_a.c", TAG + '#include "io/file.h"\n'
     '#include "gpu/device.h"\n'),
]


class RuleTest(unittest.TestCase):
    def test_every_rule_has_a_bad_file(self):
        self.assertEqual(set(BAD), {rule.__name__ for rule in rules.RULES})

    def test_every_bad_file_is_found(self):
        for rule in rules.RULES:
            for path, text, line, words in BAD[rule.__name__]:
                with self.subTest(rule=rule.__name__, path=path, words=words):
                    found = list(rule(rules.Source(path, text)))
                    self.assertEqual([at for at, _ in found], [line], found)
                    self.assertIn(words, found[0][1])

    def test_no_good_file_is_accused(self):
        for path, text in GOOD:
            for rule in rules.RULES:
                with self.subTest(rule=rule.__name__, path=path):
                    found = list(rule(rules.Source(path, text)))
                    self.assertEqual(found, [])


class TreeTest(unittest.TestCase):
    def test_an_unbuilt_source_is_found(self):
        texts = {"io/CMakeLists.txt": "feedgpu_layer(feedgpu_io file.c)",
                 "io/file.c": "", "io/files.c": "", "tests/lib/help.c": ""}
        self.assertEqual([path for path, _, _ in
                          tidy.sources_are_built(texts)], ["io/files.c"])

    def test_a_stranger_at_the_top_is_found(self):
        paths = ["README.md", ".gitignore", "CMakeLists.txt", "io/mapped",
                 "mapped"]
        self.assertEqual([path for path, _, _ in
                          tidy.strangers_at_the_top(paths)], ["mapped"])

    def test_an_unregistered_test_is_found(self):
        texts = {"tests/unit/CMakeLists.txt": "foreach(_unit error math)",
                 "tests/unit/test_error.c": "", "tests/unit/test_mem.c": ""}
        self.assertEqual([path for path, _, _ in
                          tidy.sources_are_built(texts)],
                         ["tests/unit/test_mem.c"])

    def test_a_forgotten_header_is_found_twice(self):
        texts = {"cmake/FeedgpuLibrary.cmake": "set(_headers error)",
                 "include/feedgpu/feedgpu.h": "#include <feedgpu/error.h>",
                 "include/feedgpu/error.h": "", "include/feedgpu/new.h": ""}
        found = [path for path, _, _ in tidy.headers_are_installed(texts)
                 if path != "include/feedgpu/feedgpu.h"]
        self.assertEqual(found, ["include/feedgpu/new.h"] * 2)

    def test_a_forgotten_cxx_header_is_found(self):
        texts = {"cmake/FeedgpuLibrary.cmake":
                 "set(_headers error)\nset(_headers_cxx\n  loader)",
                 "include/feedgpu/error.hpp": "",
                 "include/feedgpu/loader.hpp": ""}
        self.assertEqual([path for path, _, _ in
                          tidy.headers_are_installed(texts)],
                         ["include/feedgpu/error.hpp"])

    def test_an_old_node_in_the_version_script_is_found(self):
        texts = {"include/feedgpu/version.h":
                 "#define FG_VERSION_MAJOR 1\n#define FG_VERSION_MINOR 2\n",
                 "cmake/feedgpu.map": "FEEDGPU_1.1 {"}
        self.assertEqual(
            list(tidy.version_is_the_same_everywhere(texts)),
            [("cmake/feedgpu.map", 1,
              "its node should be FEEDGPU_1.2, as in version.h")])
        texts["cmake/feedgpu.map"] = "FEEDGPU_1.2 {"
        self.assertEqual(list(tidy.version_is_the_same_everywhere(texts)), [])

    def test_an_undocumented_preset_is_found(self):
        texts = {"CMakePresets.json": '{"configurePresets": [{"name": "base", '
                 '"hidden": true}, {"name": "dev"}, {"name": "odd"}]}',
                 "CONTRIBUTING.md": "`dev` is for work"}
        self.assertEqual([message for _, _, message in
                          tidy.presets_are_documented(texts)],
                         ["no word of preset odd"])


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
