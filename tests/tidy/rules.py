# SPDX-License-Identifier: Apache-2.0
"""The house rules that a program can check, one function per rule.

A rule takes a Source and yields (line number, message). CONTRIBUTING.md says
why each exists. tests/tidy/self_test.py shows each rule a bad file.
"""

import re

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 80
PARAMETERS_MAX = 6  # and err

C_LIKE = (".c", ".h", ".hpp", ".cc", ".cu")
SCRIPTS = (".sh", ".py")
BUILD = (".cmake", "CMakeLists.txt")

# Folder -> what it may include of ours, by the start of the path.
LAYERS = (
    ("include/", ("feedgpu/",)),
    ("runtime/base/", ("feedgpu/", "runtime/base/")),
    ("io/", ("feedgpu/", "runtime/base/", "io/")),
    ("gpu/", ("feedgpu/", "runtime/base/", "gpu/")),
    ("runtime/", ("feedgpu/", "runtime/", "io/", "gpu/")),
    # The shim and the feeder share memory, and one way of copying.
    ("tools/preload/", ("runtime/feeder/board.h", "runtime/base/copy.h")),
    ("tools/", ("feedgpu/", "tools/")),
    ("examples/", ("feedgpu/",)),
)
OURS = ("feedgpu/", "runtime/", "io/", "gpu/", "tools/", "tests/")

# Header of a dependency -> the only places that may include it.
ROOMS = (
    (r"liburing(\.h|/)", r"io/uring[a-z_]*\.c"),
    (r"numa(if)?\.h", r"runtime/base/numa\.c"),
    (r"zstd", r"io/formats/codec_zstd\.c"),
    (r"(cuda|driver_types|cupti|nvml)", r"(gpu/cuda_[a-z_]*\.(c|h|cu)"
     r"|examples/[a-z_]*\.(c|cc|cu)|tools/preload/[a-z_]*\.[ch])"),
    (r"jansson", r"tools/.*"),
)
LIBRARY = ("include/", "runtime/", "io/", "gpu/")


class Source:
    """One file: its path in the tree, its lines, its lines without text."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.code = strip(text).splitlines() if path.endswith(C_LIKE) else []

    def in_library(self):
        return self.path.startswith(LIBRARY) and self.path.endswith(C_LIKE)


def strip(text):
    """Blank out comments and literals; line numbers stay."""
    pattern = (r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
               r"|'(?:\\.|[^'\\\n])*'")

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + found[0]
        return re.sub(r"[^\n]", " ", found)

    return re.sub(pattern, blank, text, flags=re.S)


def spdx_comes_first(source):
    lines = source.lines[:2]
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        yield 1, "the first line must be the SPDX tag (Apache-2.0)"


def lines_fit_the_page(source):
    if not source.path.endswith(C_LIKE + SCRIPTS):
        return
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, at most {COLUMNS_MAX}"
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"


def files_are_short(source):
    if source.path.endswith(C_LIKE + SCRIPTS):
        if len(source.lines) > FILE_LINES_MAX:
            yield FILE_LINES_MAX, (f"{len(source.lines)} lines, "
                                   f"at most {FILE_LINES_MAX}")


def functions(source):
    """(line of the opening brace, header text, lines of the body)."""
    start = None
    for number, line in enumerate(source.code, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, header_above(source.code, start), number - start - 1
            start = None


def header_above(code, brace):
    """The text between the last thing that ended and the brace."""
    first = brace - 1
    while first > 0:
        line = code[first - 1].strip()
        if line == "" or line[-1] in ";}" or line[0] == "#":
            break
        first -= 1
    return " ".join(code[first:brace - 1])


def name_in(header):
    header = re.sub(r"__attribute__\s*\(\(.*?\)\)(?!\))", " ", header)
    found = re.search(r"([A-Za-z_]\w*)\s*\(", header)
    return found.group(1) if found else ""


def functions_are_short(source):
    for line, header, length in functions(source):
        if length > FUNCTION_LINES_MAX:
            yield line, (f"{name_in(header)}: {length} lines, "
                         f"at most {FUNCTION_LINES_MAX}")


def functions_take_few_parameters(source):
    for line, header, _ in functions(source):
        header = re.sub(r"__attribute__\s*\(\(.*?\)\)(?!\))", " ", header)
        inside = header.partition("(")[2].rpartition(")")[0]
        inside = re.sub(r"\([^()]*\)", "", inside)
        names = [part for part in inside.split(",")
                 if not re.search(r"struct fg_error \*", part)]
        if len(names) > PARAMETERS_MAX:
            yield line, (f"{name_in(header)}: {len(names)} parameters, at "
                         f"most {PARAMETERS_MAX} and err")


def nothing_is_left_to_do(source):
    if source.path.startswith("tests/tidy/"):
        return
    for number, line in enumerate(source.lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield number, "unfinished work is not marked, it is done"


def includes(source):
    for number, line in enumerate(source.lines, 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def layers_are_kept(source):
    if not source.path.endswith(C_LIKE):
        return
    allowed = next((may for folder, may in LAYERS
                    if source.path.startswith(folder)), None)
    for number, bracket, path in includes(source):
        if allowed is None or not path.startswith(OURS):
            # A tool's or a test's own headers lie beside it.
            beside = source.path.startswith(("tools/", "tests/"))
            if bracket == '"' and not beside:
                yield number, f'"{path}": ours are named from the root'
            if bracket == '"' and ".." in path:
                yield number, f'"{path}": ours are named from the root'
        elif not path.startswith(allowed):
            yield number, f"{path}: not to be seen from {source.path}"
        elif path.startswith("feedgpu/") and bracket == '"':
            yield number, f"{path}: public headers are in angle brackets"


def dependencies_stay_in_their_room(source):
    if not source.path.endswith(C_LIKE) or source.path.startswith("tests/"):
        return
    for number, bracket, path in includes(source):
        for header, room in ROOMS:
            if bracket == "<" and re.match(header, path):
                if not re.fullmatch(room, source.path):
                    yield number, f"{path}: only for {room}"


def library_is_quiet(source):
    if not source.in_library():
        return
    for number, line in enumerate(source.code, 1):
        found = re.search(r"(?<![\w.>])(printf|puts|putchar|perror|exit|abort"
                          r"|_exit|getenv|secure_getenv|setenv|system)\s*\(",
                          line)
        found = found or re.search(r"\b(stderr|stdout)\b", line)
        if found:
            yield number, (f"{found.group(1)}: the library does not print, "
                           "exit or read the environment")


def library_allocates_through_base(source):
    if not source.in_library() or source.path == "runtime/base/mem.c":
        return
    for number, line in enumerate(source.code, 1):
        found = re.search(r"(?<![\w.>])(malloc|calloc|realloc|strdup|strndup"
                          r"|asprintf|posix_memalign|aligned_alloc)\s*\(",
                          line)
        if found:
            yield number, f"{found.group(1)}: use fgi_alloc and its family"


def library_functions_have_a_prefix(source):
    if not source.in_library() or source.path.endswith((".hpp", ".cu")):
        return
    for line, header, _ in functions(source):
        name = name_in(header)
        shared = not re.search(r"\bstatic\b", header)
        inline = source.path.endswith(".h")
        if (shared or inline) and not re.match(r"fgi?_", name):
            yield line, f"{name}: shared functions are named fg_ or fgi_"
        if not shared and not inline and re.match(r"fgi?_", name):
            yield line, f"{name}: a static function needs no prefix"


def public_prototypes_are_documented(source):
    if not source.path.startswith("include/feedgpu/"):
        return
    for number, line in enumerate(source.lines, 1):
        if line.startswith("FG_EXPORT"):
            above = source.lines[number - 2].strip() if number > 1 else ""
            if not above.endswith("*/"):
                yield number, "an exported function without a comment"


def structs_are_not_typedefs(source):
    if source.path.startswith("tests/"):
        return
    for number, line in enumerate(source.code, 1):
        # A function type that returns one is another matter.
        if re.search(r"\btypedef\s+(struct|union|enum)\b[^(]*$", line):
            yield number, "a struct, union or enum keeps its keyword"


RULES = (
    spdx_comes_first,
    lines_fit_the_page,
    files_are_short,
    functions_are_short,
    functions_take_few_parameters,
    nothing_is_left_to_do,
    layers_are_kept,
    dependencies_stay_in_their_room,
    library_is_quiet,
    library_allocates_through_base,
    library_functions_have_a_prefix,
    public_prototypes_are_documented,
    structs_are_not_typedefs,
)
