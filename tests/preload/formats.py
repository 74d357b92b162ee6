# SPDX-License-Identifier: Apache-2.0
"""More programs of compat.py: the libraries that training data is read with,
and tools of all languages."""

from programs import python, shell

TABLES = ["PYTHON", "-c", """
import numpy, pyarrow, pyarrow.feather, pyarrow.parquet
r = numpy.random.default_rng(1)
t = pyarrow.table({'a': r.integers(0, 1 << 40, 900000), 'b': r.random(900000),
                   's': [str(i * 7919) for i in range(900000)]})
pyarrow.parquet.write_table(t, 'a.parquet', row_group_size=100000)
pyarrow.feather.write_feather(t, 'a.feather', compression='uncompressed')
"""]

IMAGES = ["PYTHON", "-c", """
import numpy, os
from PIL import Image
r = numpy.random.default_rng(1)
for i in range(90):
    os.makedirs(f'img/{i % 3}', exist_ok=True)
    x = r.integers(0, 255, (200, 200, 3), dtype=numpy.uint8)
    Image.fromarray(x).save(f'img/{i % 3}/{i}.' + ('png', 'jpg')[i % 2])
"""]

CASES = [
    python("pyarrow: parquet, feather, mapped or not", """
import pyarrow.compute as pc, pyarrow.dataset as ds
import pyarrow.feather as ff, pyarrow.parquet as pq
for mapped in (False, True):
    for t in (pq.read_table("a.parquet", memory_map=mapped),
              ff.read_table("a.feather", memory_map=mapped)):
        print(t.num_rows, pc.sum(t["a"]), pc.sum(t["b"]), pc.max(t["s"]))
print(sum(b.num_rows for b in ds.dataset("a.parquet").to_batches(
    columns=["a"], batch_size=5000)))
f = pq.ParquetFile("a.parquet", pre_buffer=True)
for i in range(f.num_row_groups):
    print(pc.sum(f.read_row_group(i, columns=["b"])["b"]))
""", modules=("pyarrow", "numpy"), setup=[TABLES], must_serve=True),
    python("Hugging Face datasets", """
import datasets
datasets.disable_progress_bars()
d = datasets.load_from_disk("ds")
for epoch in range(2):
    for b in d.shuffle(seed=epoch).iter(batch_size=64):
        show(str(b["x"]).encode())
""", modules=("datasets",), setup=[["PYTHON", "-c", """
import datasets
datasets.Dataset.from_dict({'x': [bytes([i % 256]) * 5000
    for i in range(2000)]}).save_to_disk('ds', num_shards=3)"""]]),
    python("polars", """
import polars as pl
print(pl.read_parquet("a.parquet").select(pl.col("a").sum(),
                                          pl.col("s").max()))
print(pl.scan_parquet("a.parquet").filter(pl.col("a") % 3 == 0).select(
    pl.len(), pl.col("b").sum().round(4)).collect())
print(pl.read_ipc("a.feather").select(pl.col("a").sum()))
""", modules=("polars", "pyarrow"), setup=[TABLES]),
    python("duckdb", """
import duckdb
print(duckdb.sql("select count(*), sum(a), max(s) from 'a.parquet'")
      .fetchall())
print(duckdb.connect("a.db", read_only=True)
      .sql("select count(*), sum(a), max(s) from t").fetchall())
""", modules=("duckdb", "pyarrow"), setup=[TABLES, ["PYTHON", "-c", """
import duckdb
duckdb.connect('a.db').sql("create table t as select * from 'a.parquet'")"""]]),
    python("lmdb", """
import lmdb
with lmdb.open("l", readonly=True, lock=False, readahead=False).begin() as t:
    for k, v in t.cursor():
        show(k + v)
""", modules=("lmdb",), setup=[["PYTHON", "-c", """
import lmdb
with lmdb.open('l', map_size=1 << 28).begin(write=True) as t:
    for i in range(200): t.put(b'%05d' % i, bytes([i]) * 60000)"""]]),
    python("zarr", """
import zarr
z = zarr.open("z.zarr", mode="r")
show(z[:].tobytes()); show(z[100:900, 50:60].tobytes())
""", modules=("zarr", "numpy"), setup=[["PYTHON", "-c", """
import numpy, zarr
z = zarr.create_array('z.zarr', shape=(2000, 1500), chunks=(200, 300),
                      dtype='f8')
z[:] = numpy.random.default_rng(1).random((2000, 1500))"""]]),
    python("Pillow, OpenCV", """
import cv2, glob, numpy
from PIL import Image
for epoch in range(2):
    for p in sorted(glob.glob("img/*/*")):
        show(numpy.asarray(Image.open(p)).tobytes())
        show(cv2.imread(p).tobytes())
""", modules=("cv2", "PIL"), setup=[IMAGES]),
    python("torchvision ImageFolder, DataLoader", """
import torch, torchvision
if __name__ == "__main__":
    d = torchvision.datasets.ImageFolder(
        "img", torchvision.transforms.ToTensor())
    for epoch in range(2):
        for x, y in torch.utils.data.DataLoader(d, batch_size=8,
                                                num_workers=2):
            show(x.numpy().tobytes()); print(y)
""", modules=("torchvision", "PIL"), setup=[IMAGES], must_serve=True),
    python("safetensors", """
from safetensors import safe_open
from safetensors.numpy import load, load_file
show(load_file("a.safetensors")["w"].tobytes())
with safe_open("a.safetensors", "np") as f:
    show(f.get_slice("w")[10:20].tobytes())
show(load(open("a.safetensors", "rb").read())["w"].tobytes())
""", modules=("safetensors", "numpy"), setup=[["PYTHON", "-c", """
import numpy
from safetensors.numpy import save_file
save_file({'w': numpy.random.default_rng(1).random((2000, 1000))},
          'a.safetensors')"""]]),
    python("PyTables", """
import tables
with tables.open_file("t.h5") as f:
    show(f.root.x[:].tobytes()); print(sum(r["a"] for r in f.root.t))
""", modules=("tables", "numpy"), setup=[["PYTHON", "-c", """
import numpy, tables
with tables.open_file('t.h5', 'w') as f:
    f.create_carray('/', 'x', obj=numpy.random.default_rng(1).random(
        (1500, 1000)))
    t = f.create_table('/', 't', {'a': tables.Int64Col(),
                                  'b': tables.StringCol(100)})
    t.append([(i, str(i)) for i in range(30000)])"""]]),
    python("TensorFlow, tf.data", """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
for epoch in range(2):
    for b in tf.data.Dataset.list_files(
            "r/*.tfrecord", shuffle=False).interleave(
            tf.data.TFRecordDataset, cycle_length=2,
            num_parallel_calls=2).batch(16).prefetch(2):
        show(b"".join(b.numpy().tolist()))
for p in paths:
    show(tf.io.read_file(p).numpy())
print(sum(1 for _ in tf.data.FixedLengthRecordDataset(paths[:1], 65536)))
""", modules=("tensorflow",), setup=[["PYTHON", "-c", """
import os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import tensorflow as tf
os.mkdir('r')
for k in range(3):
    with tf.io.TFRecordWriter(f'r/{k}.tfrecord') as w:
        for i in range(120): w.write(bytes([i, k]) * 25000)"""]],
           must_serve=True),
    python("litdata", """
import litdata
if __name__ == "__main__":
    for e in range(2):
        for x in litdata.StreamingDataset("lit", shuffle=False):
            show(x["x"])
""", modules=("litdata",), setup=[["PYTHON", "-c", """
from litdata.streaming.writer import BinaryWriter
b = BinaryWriter('lit', chunk_bytes=4 << 20)
for i in range(100): b[i] = {'x': bytes([i]) * 200000}
b.done(); b.merge()"""]]),
    python("array_record", """
from array_record.python.array_record_module import ArrayRecordReader
r = ArrayRecordReader("a.arrayrecord", "readahead_buffer_size:1048576")
for i in range(r.num_records()):
    show(r.read())
for x in ArrayRecordReader("a.arrayrecord").read([5, 3, 90, 7]):
    show(x)
""", modules=("array_record",), setup=[["PYTHON", "-c", """
import hashlib
from array_record.python.array_record_module import ArrayRecordWriter
w = ArrayRecordWriter('a.arrayrecord', 'group_size:1')
for i in range(200): w.write(hashlib.shake_256(bytes([i])).digest(60000))
w.close()"""]]),
    shell("ripgrep", "rg -c -a abc data; rg -a --no-mmap -c xyz data | sort; "
          "rg -a --mmap -c k data | sort", ("rg",)),
    shell("zstd, pigz, xz", "zstd -T2 -q -k data/part-1.bin; zstd -dc "
          "data/part-1.bin.zst | sha256sum; pigz -nk data/part-2.bin; "
          "pigz -dc data/part-2.bin.gz | sha256sum; xz -0 -T2 -k "
          "data/part-3.bin; xz -dc data/part-3.bin.xz | sha256sum",
          ("zstd", "pigz", "xz")),
    shell("perl", "perl -e 'for (glob \"data/*.bin\") { open F, \"<\", $_; "
          "binmode F; while (read F, $b, 70000) { $s = ($s + unpack \"%32C*\", "
          "$b) % 4294967296 } print \"$s\\n\"; seek F, 5, 0; sysread F, $b, "
          "99; print unpack(\"H*\", $b), \"\\n\" }'", ("perl",)),
    shell("node", "node -e 'const fs = require(\"fs\"), "
          "c = require(\"crypto\"), sum = (x) => "
          "c.createHash(\"sha1\").update(x).digest(\"hex\");"
          "(async () => { for (let i = 0; i < 4; i++) { const p = "
          "`data/part-${i}.bin`; console.log(sum(fs.readFileSync(p)), "
          "sum(await fs.promises.readFile(p))); const h = "
          "c.createHash(\"sha1\"); for await (const b of "
          "fs.createReadStream(p)) h.update(b); "
          "console.log(h.digest(\"hex\")) } })()'", ("node",)),
    shell("ruby", "ruby -e 'require \"digest\"; Dir[\"data/*.bin\"].sort.each "
          "{ |p| puts Digest::SHA1.file(p); puts IO.binread(p, 1000, 77).sum; "
          "File.open(p) { |f| f.each_line.with_index { |l, i| puts l.size if "
          "i % 5000 == 0 } } }'", ("ruby",)),
    shell("ffmpeg", "ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s 320x240 -i "
          "data/part-1.bin -f md5 - 2>/dev/null", ("ffmpeg",)),
    shell("bsdtar, cpio, zip", "bsdtar cf a.tar data; bsdtar tf a.tar; rm "
          "a.tar; find data | sort | cpio -o 2>/dev/null | wc -c; zip -qr "
          "a.zip data; unzip -p a.zip data/part-2.bin | sha256sum; rm a.zip",
          ("bsdtar", "cpio", "zip", "unzip"), must_serve=True),
]
