# SPDX-License-Identifier: Apache-2.0
"""The programs of compat.py: what each needs, and what it runs."""

from dataclasses import dataclass, field


@dataclass
class Case:
    name: str
    command: list
    files: dict = field(default_factory=dict)
    setup: list = field(default_factory=list)
    programs: tuple = ()
    modules: tuple = ()
    must_serve: bool = False  # some bytes have to come from the feeder
    status: int = 0
    remark: str = ""


HASH = """
import hashlib, os, sys
def show(data):
    print(len(data), hashlib.sha256(bytes(data)).hexdigest())
paths = [f"data/part-{i}.bin" for i in range(4)]
"""


def python(name, text, modules=(), **more):
    return Case(f"python: {name}", ["PYTHON", "program.py"],
                files={"program.py": HASH + text, **more.pop("files", {})},
                modules=modules, **more)


def shell(name, text, programs=(), **more):
    return Case(name, ["bash", "-c", text], programs=programs, **more)


DATASET = """
import torch
from torch.utils.data import DataLoader, Dataset
class Records(Dataset):
    SIZE = 150528
    def __len__(self):
        return sum(os.path.getsize(p) // self.SIZE for p in paths)
    def __getitem__(self, i):
        for p in paths:
            n = os.path.getsize(p) // self.SIZE
            if i < n:
                with open(p, "rb", buffering=0) as f:
                    f.seek(i * self.SIZE)
                    return torch.frombuffer(bytearray(f.read(self.SIZE)),
                                            dtype=torch.uint8)
            i -= n
def main(workers, context):
    loader = DataLoader(Records(), batch_size=4, num_workers=workers,
                        multiprocessing_context=context)
    for epoch in range(2):
        for batch in loader:
            show(batch.numpy().tobytes())
"""


def loader(workers, context=None):
    call = f"main({workers}, {context!r})"
    return python(f"torch DataLoader, {workers} workers"
                  + (f", {context}" if context else ""),
                  DATASET + f"\nif __name__ == '__main__':\n    {call}\n",
                  modules=("torch", "numpy"), must_serve=True)


C_STDIO = r"""
#include <stdio.h>
int main(void) {
    unsigned long sum = 0; int c; static char block[70000];
    FILE *f = fopen("data/part-1.bin", "rb");
    while ((c = getc(f)) != EOF) sum = sum * 31 + (unsigned)c;
    fseek(f, 1000000, SEEK_SET);
    sum += fread(block, 1, sizeof(block), f) * 7 + (unsigned char)block[5];
    printf("%lu %ld\n", sum, ftell(f)); fclose(f); return 3; }
"""

CXX_STREAM = r"""
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>
int main() {
    for (int i = 0; i < 4; i++) {
        std::ifstream in("data/part-" + std::to_string(i) + ".bin",
                         std::ios::binary);
        std::vector<char> all((std::istreambuf_iterator<char>(in)), {});
        unsigned long sum = 0;
        for (char c : all) sum = sum * 31 + (unsigned char)c;
        in.clear(); in.seekg(1 << 20); char word[9] = {};
        in.read(word, 8);
        for (char c : word) sum = sum * 31 + (unsigned char)c;
        std::cout << all.size() << ' ' << sum << '\n';
    } }
"""

JAVA = """
import java.nio.file.*;
public class Sum { public static void main(String[] a) throws Exception {
    long sum = 0;
    for (int i = 0; i < 4; i++)
        for (byte b : Files.readAllBytes(Path.of("data/part-" + i + ".bin")))
            sum = sum * 31 + b;
    System.out.println(sum); } }
"""

GO = """
package main
import ("fmt"; "os")
func main() { sum := uint64(0)
    for i := 0; i < 4; i++ {
        all, err := os.ReadFile(fmt.Sprintf("data/part-%d.bin", i))
        if err != nil { panic(err) }
        for _, b := range all { sum = sum*31 + uint64(b) } }
    fmt.Println(sum) }
"""

CASES = [
    python("open().read()", """
for p in paths:
    show(open(p, "rb").read())
""", must_serve=True),
    python("readinto, unbuffered", """
buffer = bytearray(262144)
for p in paths:
    with open(p, "rb", buffering=0) as f:
        while (n := f.readinto(buffer)) > 0:
            show(buffer[:n])
""", must_serve=True),
    python("buffered reads of 1000", """
for p in paths:
    with open(p, "rb") as f:
        while block := f.read(1000):
            last = block
        show(last); print(f.tell())
"""),
    python("mmap", """
import mmap
for p in paths:
    with open(p, "rb") as f:
        show(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))
"""),
    python("os.pread, os.preadv, os.readv", """
for p in paths:
    fd = os.open(p, os.O_RDONLY)
    size = os.fstat(fd).st_size
    for at in list(range(0, size, 200000)) + [size - 3, size, size + 9]:
        show(os.pread(fd, 100000, at))
    a, b = bytearray(70000), bytearray(333)
    print(os.preadv(fd, [a, b], 12345)); show(a); show(b)
    print(os.readv(fd, [b, a]), os.lseek(fd, 0, os.SEEK_CUR)); show(a)
""", must_serve=True),
    python("errors", """
for call in (lambda: os.read(99, 10), lambda: os.pread(0, 10, -1),
             lambda: open("data/none", "rb"), lambda: open("data", "rb"),
             lambda: os.read(os.open("data", os.O_RDONLY), 10),
             lambda: os.read(os.open(paths[0], os.O_WRONLY), 10)):
    try:
        print(call())
    except OSError as error:
        print(error)
"""),
    python("fork while reading", """
fd = os.open(paths[0], os.O_RDONLY)
for i in range(12):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        data = os.read(fd, 300000)
        os.write(w, hashlib.sha256(data).hexdigest().encode())
        os._exit(0)
    os.close(w); os.waitpid(pid, 0)
    print(os.read(r, 100), os.lseek(fd, 0, os.SEEK_CUR)); os.close(r)
""", must_serve=True),
    python("subprocess, close_fds", """
import subprocess
files = [open(p, "rb", buffering=0) for p in paths]
for i in range(6):
    for f in files:
        show(f.read(400000))
    print(subprocess.run(["cat", "program.py"], close_fds=True,
                         capture_output=True).stdout[:20])
""", must_serve=True),
    python("multiprocessing, fork and spawn", """
import multiprocessing
def work(p):
    return hashlib.sha256(open(p, "rb").read()).hexdigest()
if __name__ == "__main__":
    for kind in ("fork", "spawn"):
        with multiprocessing.get_context(kind).Pool(3) as pool:
            print(pool.map(work, paths * 2))
""", must_serve=True),
    python("threads on one descriptor", """
import threading
fd = os.open(paths[0], os.O_RDONLY)
parts = []
def work():
    while block := os.read(fd, 65536):
        parts.append(hashlib.sha256(block).hexdigest())
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(parts))
"""),
    python("tarfile", """
import tarfile
with tarfile.open("all.tar") as tar:
    for member in tar:
        if member.isfile():
            print(member.name); show(tar.extractfile(member).read())
""", setup=[["tar", "cf", "all.tar", "data"]], must_serve=True),
    python("zipfile", """
import zipfile
with zipfile.ZipFile("all.zip") as archive:
    for name in archive.namelist():
        print(name); show(archive.read(name))
""", setup=[["PYTHON", "-m", "zipfile", "-c", "all.zip", "data"]],
           must_serve=True),
    python("shutil", """
import shutil
shutil.copyfile(paths[0], "copy"); shutil.copytree("data", "tree")
shutil.make_archive("again", "tar", "tree/small")
os.remove("again.tar")
"""),
    python("a directory walk", """
for epoch in range(2):
    for top, _, names in os.walk("data/small"):
        for name in names:
            show(open(os.path.join(top, name), "rb").read())
"""),
    python("numpy.fromfile", """
import numpy
for p in paths:
    show(numpy.fromfile(p, dtype=numpy.uint8, count=3000000))
    show(numpy.fromfile(p, dtype=numpy.uint8, offset=5))
""", modules=("numpy",)),
    python("numpy.load, npy npz mmap", """
import numpy
show(numpy.load("a.npy")); show(numpy.load("a.npz")["x"])
show(numpy.load("a.npy", mmap_mode="r")[::3].copy())
show(numpy.memmap(paths[1], mode="r")[:4000000])
""", modules=("numpy",), setup=[["PYTHON", "-c", """
import numpy
x = numpy.random.default_rng(1).integers(0, 9, (1000, 1000))
numpy.save('a.npy', x); numpy.savez('a.npz', x=x)"""]]),
    python("torch.load", """
import torch
for mapped in (False, True):
    show(torch.load("t.pt", mmap=mapped)["w"].numpy().tobytes())
""", modules=("torch", "numpy"), setup=[["PYTHON", "-c", """
import torch
torch.manual_seed(1); torch.save({'w': torch.rand(1500, 1500)}, 't.pt')"""]]),
    loader(0),
    loader(2, "fork"),
    loader(8, "fork"),
    loader(2, "spawn"),
    python("webdataset", """
import webdataset
for epoch in range(2):
    for sample in webdataset.WebDataset("all.tar", shardshuffle=False):
        print(sample["__key__"]); show(sample["raw"])
""", modules=("webdataset",),
           setup=[["tar", "cf", "all.tar", "-C", "data/small", "."]],
           must_serve=True),
    python("mosaicml streaming, local", """
from streaming import StreamingDataset
if __name__ == "__main__":
    for sample in StreamingDataset(local="mds", batch_size=1):
        show(sample["x"])
""", modules=("streaming",), setup=[["PYTHON", "-c", """
from streaming import MDSWriter
with MDSWriter(out='mds', columns={'x': 'bytes'}, size_limit='4mb') as out:
    for i in range(40): out.write({'x': bytes([i]) * 300000})"""]]),
    python("h5py", """
import h5py
with h5py.File("a.h5") as f:
    show(f["x"][:]); show(f["x"][100:200, ::7].copy())
""", modules=("h5py", "numpy"), setup=[["PYTHON", "-c", """
import h5py, numpy
x = numpy.random.default_rng(1).random((1200, 1000))
with h5py.File('a.h5', 'w') as f: f['x'] = x"""]], must_serve=True),
    Case("C stdio", ["./program"], files={"program.c": C_STDIO},
         setup=[["cc", "-O2", "-D_FORTIFY_SOURCE=2", "-o", "program",
                 "program.c"]], programs=("cc",), status=3),
    Case("C++ ifstream", ["./program"], files={"program.cc": CXX_STREAM},
         setup=[["c++", "-O2", "-o", "program", "program.cc"]],
         programs=("c++",), must_serve=True),
    Case("C, static", ["./program"], files={"program.c": C_STDIO},
         setup=[["cc", "-O2", "-static", "-o", "program", "program.c"]],
         programs=("cc",), status=3, remark="not seen: harmless"),
    shell("cat, a pipe, a redirection",
          "cat data/*.bin | sha256sum; sha256sum <data/part-2.bin; "
          "(head -c 100000; cat) <data/part-3.bin | sha256sum",
          must_serve=True),
    shell("tar", "tar cf - data | sha256sum >sum; mkdir x; tar cf all.tar "
          "data; tar xf all.tar -C x", ("tar",),
          remark="opens with O_NONBLOCK: left alone"),
    shell("dd", "for b in 512 4096 1000000; do dd if=data/part-1.bin bs=$b "
          "skip=1 count=900 2>/dev/null | sha256sum; done", must_serve=True),
    shell("cp, cmp, mv", "cp -r data copy; cmp data/part-1.bin "
          "copy/part-1.bin; cp --reflink=never data/part-2.bin b; mv b c"),
    shell("rsync", "rsync -a data/ copy/; printf x >>data/part-0.bin; "
          "rsync -ac data/ copy/", ("rsync",)),
    shell("git", "git init -q; git add data; git -c user.name=a -c "
          "user.email=b commit -qm c --date=2020-01-01T00:00:00Z; "
          "git status --short; git fsck --strict; git cat-file -s "
          "HEAD:data/part-3.bin; rm -rf .git", ("git",)),
    shell("sqlite3", "sqlite3 a.db 'create table t(x); with recursive c(n) as"
          " (select 1 union all select n+1 from c where n<40000) insert into t"
          " select hex(n)||printf(\"%0500d\",n) from c; select count(*), "
          "sum(length(x)) from t;'; sqlite3 -readonly a.db 'select "
          "sum(length(x)), max(x) from t; pragma integrity_check'",
          ("sqlite3",)),
    Case("a JVM", ["java", "-cp", ".", "Sum"], files={"Sum.java": JAVA},
         setup=[["javac", "Sum.java"]], programs=("java", "javac"),
         remark="reads by its own calls of libc"),
    Case("a Go program", ["./program"], files={"program.go": GO},
         setup=[["env", "GOCACHE=/tmp/feedgpu-go", "go", "build", "-o",
                 "program", "program.go"]], programs=("go",),
         remark="makes its own system calls: harmless"),
    Case("gcc", ["bash", "-c", "for i in 1 2 3; do cc -O2 -c program.c -o "
                 "p$i.o; done; c++ -O2 -c program.cc -o q.o; ar rcs l.a *.o"],
         files={"program.c": C_STDIO, "program.cc": CXX_STREAM},
         programs=("cc", "c++", "ar")),
]
