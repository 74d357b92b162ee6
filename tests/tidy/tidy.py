#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py ROOT: check the whole tree against the house rules.

Prints one line per finding, "path:line: message", and exits with 1 if there
is any. rules.py holds the rules for one file; this file walks the tree and
holds the rules about what must know of what.
"""

import json
import os
import re
import subprocess
import sys

import rules

CHECKED = rules.C_LIKE + rules.SCRIPTS + rules.BUILD
SKIPPED_FOLDERS = re.compile(r"^(\..*|build.*|out|__pycache__)$")
SOURCE_FOLDERS = ("runtime/", "io/", "gpu/", "tools/", "examples/")


def paths_of(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not SKIPPED_FOLDERS.match(f)
                            or (folder == root and f == ".ci"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            if name.endswith(CHECKED) or is_script(os.path.join(folder, name)):
                yield path


def is_script(path):
    if "." in os.path.basename(path):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def build_files(texts, path):
    """The text of the CMakeLists.txt files from path's folder upwards."""
    folder = os.path.dirname(path)
    found = []
    while True:
        found.append(texts.get(os.path.join(folder, "CMakeLists.txt"), ""))
        if folder == "":
            return "\n".join(found)
        folder = os.path.dirname(folder)


def sources_are_built(texts):
    """A file that no CMakeLists.txt names is dead, a test never runs."""
    for path in texts:
        stem, ext = os.path.splitext(os.path.basename(path))
        if ext not in (".c", ".cc", ".cu"):
            continue
        test = path.startswith("tests/") and stem.startswith(
            ("test_", "fuzz_", "conformance_"))
        if not test and not path.startswith(SOURCE_FOLDERS):
            continue
        short = re.sub(r"^(test|fuzz|conformance)_", "", stem)
        named = rf"(?<![\w])({re.escape(stem)}|{re.escape(short)})(?![\w])"
        if not re.search(named, build_files(texts, path)):
            yield path, 1, "in no CMakeLists.txt"


def words_of(name, text):
    found = re.search(rf"set\({name}\s([^)]*)\)", text)
    return found.group(1).split() if found else []


def headers_are_installed(texts):
    library = texts.get("cmake/FeedgpuLibrary.cmake", "")
    every = texts.get("include/feedgpu/feedgpu.h", "")
    lists = {".h": words_of("_headers", library),
             ".hpp": words_of("_headers_cxx", library)}
    for path in texts:
        if not path.startswith("include/feedgpu/"):
            continue
        stem, ext = os.path.splitext(os.path.basename(path))
        if stem not in lists.get(ext, ()):
            yield path, 1, "not among the installed headers"
        if ext == ".h" and stem not in ("feedgpu", "export"):
            if f"<feedgpu/{stem}.h>" not in every:
                yield path, 1, "not included by feedgpu/feedgpu.h"


def version_is_the_same_everywhere(texts):
    header = texts.get("include/feedgpu/version.h", "")
    number = dict(re.findall(r"#define FG_VERSION_(M\w+) (\d+)", header))
    node = f"FEEDGPU_{number.get('MAJOR')}.{number.get('MINOR')}"
    path = "cmake/feedgpu.map"
    if not re.search(rf"^{re.escape(node)} {{", texts.get(path, ""), re.M):
        yield path, 1, f"its node should be {node}, as in version.h"


def presets_are_documented(texts):
    presets = json.loads(texts.get("CMakePresets.json", "{}"))
    paper = texts.get("CONTRIBUTING.md", "")
    for preset in presets.get("configurePresets", ()):
        if not preset.get("hidden") and f"`{preset['name']}`" not in paper:
            yield "CONTRIBUTING.md", 1, f"no word of preset {preset['name']}"


TREE_RULES = (sources_are_built, headers_are_installed,
              version_is_the_same_everywhere, presets_are_documented)
# Files that only these rules read.
PAPERS = ("cmake/feedgpu.map", "CMakePresets.json", "CONTRIBUTING.md")


# What may lie at the top: the rest belongs in one of the folders.
TOP_FILES = re.compile(
    r"^(\..*|[A-Z]+\.md|LICENSE|CMakeLists\.txt|CMakePresets\.json)$")


def strangers_at_the_top(paths):
    """What a test left behind in the working folder is soon committed."""
    for path in paths:
        if "/" not in path and not TOP_FILES.match(path):
            yield path, 1, "does not belong at the top"


def tracked(root):
    """Files that git knows of; none where there is no git."""
    try:
        done = subprocess.run(["git", "-C", root, "ls-files"], check=False,
                              capture_output=True, text=True)
    except OSError:
        return []
    return done.stdout.splitlines()


def findings(root):
    texts = {path: read(root, path) for path in paths_of(root)}
    for path, text in texts.items():
        source = rules.Source(path, text)
        for rule in rules.RULES:
            for line, message in rule(source):
                yield path, line, message, rule.__name__
    texts.update({path: read(root, path) for path in PAPERS})
    for rule in TREE_RULES:
        for path, line, message in rule(texts):
            yield path, line, message, rule.__name__
    for path, line, message in strangers_at_the_top(tracked(root)):
        yield path, line, message, strangers_at_the_top.__name__


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    found = list(findings(root))
    for path, line, message, rule in found:
        print(f"{path}:{line}: {message} [{rule}]")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
