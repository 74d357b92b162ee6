#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/doctor.md has the checks that the tool has.

    doctor_doc.py [--rewrite] FEEDGPU DOCUMENT

Compares the tables under "## The checks" with `feedgpu doctor --checks --json`,
or puts the tool's there.
"""

import json
import re
import subprocess
import sys

HEADING = "## The checks\n"
TABLES = re.compile(r"(### .*\n\n(\|.*\n)+\n?)+")


def tables(tool):
    listed = subprocess.run([tool, "doctor", "--checks", "--json"], check=True,
                            capture_output=True, text=True).stdout
    group, lines = None, []
    for check in map(json.loads, listed.splitlines()):
        if check["group"] != group:
            group = check["group"]
            lines += ["", f"### {group}", "",
                      "| check | in the text | what it reads | what it tells |",
                      "|-------|-------------|---------------|---------------|"]
        row = "| `{check}` | {title} | {reads} | {warns} |".format(**check)
        lines.append(row.replace("*", "\\*"))
    return "\n".join(lines[1:]) + "\n\n"


def main():
    is_rewriting = sys.argv[1:2] == ["--rewrite"]
    tool, document = sys.argv[-2:]
    with open(document, encoding="utf-8") as file:
        text = file.read()
    before, heading, after = text.partition(HEADING)
    found = TABLES.search(after)
    wanted = tables(tool)
    if not heading or not found:
        sys.exit(f"{document}: no tables under {HEADING!r}")
    if found.group(0) == wanted:
        return
    if not is_rewriting:
        sys.exit(f"{document}: its tables are not those of {tool}: run "
                 "tests/cli/doctor_doc.py --rewrite")
    after = after[:found.start()] + wanted + after[found.end():]
    with open(document, "w", encoding="utf-8") as file:
        file.write(before + heading + after)


if __name__ == "__main__":
    main()
