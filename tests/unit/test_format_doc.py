#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reader printed in docs/format.md reads the committed shards.

Usage: test_format_doc.py SOURCE_FOLDER. Without the zstandard package the zstd
program decompresses; without that too, those shards are skipped.
"""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import types

TEXT = (b"the quick brown fox jumps over the lazy dog, "
        b"and then it jumps back over the dog")
# As in tests/fuzz/make_corpus.c: fields, bits of variable ones, samples.
SHARDS = {
    "fixed-raw": (1, 0, 4), "fixed-zstd": (1, 0, 4),
    "variable-raw": (1, 1, 8), "variable-zstd": (1, 1, 7),
    "mixed-raw": (5, 0x0A, 8), "mixed-zstd": (5, 0x15, 8),
    "blocks-raw": (2, 2, 8), "blocks-zstd": (2, 0, 7),
}


def load_reader(source):
    text = (source / "docs/format.md").read_text(encoding="utf-8")
    scope = {"__name__": "reader"}
    exec(re.search(r"```python\n(.*?)```", text, re.S).group(1), scope)
    return scope["samples"]


class ProgramDecompressor:
    """What the reader uses of zstandard, done by the zstd program."""

    def decompress(self, frame):
        return subprocess.run(["zstd", "-dcq"], input=frame, check=True,
                              capture_output=True).stdout


def lend_zstandard():
    if importlib.util.find_spec("zstandard") is None and shutil.which("zstd"):
        module = types.ModuleType("zstandard")
        module.ZstdDecompressor = ProgramDecompressor
        sys.modules["zstandard"] = module


def expected(fields, variable_bits, count):
    for i in range(count):
        sample = {}
        for f in range(fields):
            size = 1 if f % 2 == 0 else 4
            elements = 9 + f
            if variable_bits >> f & 1:
                elements = i % (elements + 1)
            at = (i + f) % 16
            sample[f"f{f}"] = TEXT[at:at + elements * size]
        yield sample


def main():
    source = pathlib.Path(sys.argv[1])
    lend_zstandard()
    read = load_reader(source)
    failed = 0
    for name, shape in SHARDS.items():
        path = source / "tests/fuzz/corpus/shard_index" / f"{name}.fgs"
        try:
            right = list(read(path)) == list(expected(*shape))
        except ModuleNotFoundError as missing:
            print(f"{name}: skipped: {missing}")
            continue
        print(f"{name}: {'ok' if right else 'WRONG'}")
        failed += not right
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
