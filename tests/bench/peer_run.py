# SPDX-License-Identifier: Apache-2.0
"""One peer's loader in its own process: peers.py starts it, nobody else.

    peer_run.py PEER ACTION JSON

ACTION "versions" prints the packages' versions, "measure" runs the job's
cases, one JSON line each. A peer is a function in PEERS that takes the job and
returns epoch(case): it starts one pass and yields each batch's bytes.

What is timed is one pass: from asking the loader for an iterator until the
last batch is taken. Imports, opening files, reading indexes and a few batches
of warm-up come before it. CPU is that of this process and of its workers,
which have ended when it is read. The consumer keeps no batch and touches none.
"""

import gc
import glob
import importlib.metadata
import json
import os
import resource
import sys
import time

BATCH = 256
WORKERS = 2
BUFFER = 1024  # samples in a shuffle buffer: 147 MiB of 150,528-byte records


def files_of(job, pattern):
    return sorted(glob.glob(os.path.join(job["dir"], pattern)))


# --- tf.data ---------------------------------------------------------------


def tensorflow():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    return tf


def tf_batches(tf, dataset, case, decode):
    if case["is_shuffled"]:
        dataset = dataset.shuffle(BUFFER, seed=1)
    dataset = dataset.batch(BATCH).map(decode, tf.data.AUTOTUNE)
    for batch in dataset.prefetch(tf.data.AUTOTUNE):
        yield batch.shape[0] * batch.shape[1]


def tf_raw(job):
    tf = tensorflow()

    def epoch(case):
        dataset = tf.data.FixedLengthRecordDataset(
            job["records"], job["record_bytes"], buffer_size=8 << 20)
        return tf_batches(tf, dataset, case,
                          lambda x: tf.io.decode_raw(x, tf.uint8))
    return epoch


def tf_record(job):
    tf = tensorflow()
    files = files_of(job, "*.tfrecord")
    feature = {"data": tf.io.FixedLenFeature([], tf.string)}

    def decode(examples):
        examples = tf.io.parse_example(examples, feature)
        return tf.io.decode_raw(examples["data"], tf.uint8)

    def epoch(case):
        reads = tf.data.AUTOTUNE if case["is_shuffled"] else None
        dataset = tf.data.TFRecordDataset(files, buffer_size=8 << 20,
                                          num_parallel_reads=reads)
        return tf_batches(tf, dataset, case, decode)
    return epoch


# --- PyTorch ---------------------------------------------------------------


def torch_batches(loader):
    for batch in loader:
        yield batch.numel()


def torch_plain(job):
    """What one writes first: np.fromfile for each sample, default collate."""
    import numpy
    import torch
    import torch.utils.data

    class Records(torch.utils.data.Dataset):
        def __len__(self):
            return job["count"]

        def __getitem__(self, index):
            size = job["record_bytes"]
            return torch.from_numpy(numpy.fromfile(
                job["records"], numpy.uint8, size, offset=index * size))

    def epoch(case):
        return torch_batches(torch.utils.data.DataLoader(
            Records(), BATCH, shuffle=case["is_shuffled"],
            num_workers=WORKERS, prefetch_factor=4))
    return epoch


def torch_tuned(job):
    """By hand: whole batches read straight into the shared memory that the
    main process sees; O_DIRECT when the case is cold."""
    import torch
    import torch.utils.data
    size = job["record_bytes"]

    class Records(torch.utils.data.Dataset):
        def __init__(self, is_direct):
            self.flags = os.O_RDONLY | (os.O_DIRECT if is_direct else 0)
            self.file = None

        def __len__(self):
            return job["count"]

        def __getitems__(self, indices):
            if self.file is None:
                self.file = os.open(job["records"], self.flags)
            storage = torch.UntypedStorage._new_shared(len(indices) * size)
            batch = torch.empty(0, dtype=torch.uint8).set_(storage)
            view = memoryview(batch.numpy())
            first, count = 0, len(indices)
            while first < count:  # one read for each run of neighbours
                last = first + 1
                while last < count and indices[last] == indices[last - 1] + 1:
                    last += 1
                self.read(view[first * size:last * size],
                          indices[first] * size)
                first = last
            return batch.view(count, size)

        def read(self, view, offset):
            while view:
                got = os.preadv(self.file, [view], offset)
                if got == 0:
                    raise EOFError(f"offset {offset}: unexpected end of file")
                view, offset = view[got:], offset + got

    def epoch(case):
        return torch_batches(torch.utils.data.DataLoader(
            Records(case["is_cold"]), BATCH, shuffle=case["is_shuffled"],
            num_workers=WORKERS, prefetch_factor=4,
            collate_fn=lambda batch: batch))
    return epoch


# --- WebDataset ------------------------------------------------------------


def web_dataset(job):
    import numpy
    import torch
    import webdataset
    files = files_of(job, "*.tar")

    def collate(samples):
        return torch.from_numpy(numpy.stack(
            [numpy.frombuffer(data, numpy.uint8) for (data,) in samples]))

    def epoch(case):
        dataset = webdataset.WebDataset(
            files, shardshuffle=100 if case["is_shuffled"] else False,
            empty_check=False)
        if case["is_shuffled"]:
            dataset = dataset.shuffle(BUFFER)
        dataset = dataset.to_tuple("bin").batched(BATCH, collation_fn=collate)
        return torch_batches(webdataset.WebLoader(
            dataset, batch_size=None, num_workers=WORKERS, prefetch_factor=4))
    return epoch


# --- mosaicml-streaming ----------------------------------------------------


def mosaic(job):
    import streaming
    import streaming.base.util
    import torch.utils.data
    streaming.base.util.clean_stale_shared_memory()
    datasets = {}

    def epoch(case):
        is_shuffled = case["is_shuffled"]
        if is_shuffled not in datasets:  # opened once, in the warm-up
            streaming.base.util.clean_stale_shared_memory()
            datasets.clear()
            datasets[is_shuffled] = streaming.StreamingDataset(
                local=job["dir"], batch_size=BATCH, shuffle=is_shuffled)
        loader = torch.utils.data.DataLoader(
            datasets[is_shuffled], BATCH, num_workers=WORKERS,
            prefetch_factor=4)
        for batch in loader:
            yield batch["data"].numel()
    return epoch


# --- grain -----------------------------------------------------------------


def grain_array_record(job):
    import grain
    import numpy
    source = grain.sources.ArrayRecordDataSource(files_of(job, "*.arrayrecord"))

    def collate(records):
        return numpy.stack([numpy.frombuffer(record, numpy.uint8)
                            for record in records])

    def epoch(case):
        dataset = grain.MapDataset.source(source)
        if case["is_shuffled"]:
            dataset = dataset.shuffle(seed=1)
        # Batches, not samples, are what the threads make: the fastest of
        # four arrangements, the default (16 threads, 500 samples) among them.
        dataset = dataset.batch(BATCH, batch_fn=collate).to_iter_dataset(
            grain.ReadOptions(num_threads=4, prefetch_buffer_size=8))
        for batch in dataset:
            yield batch.nbytes
    return epoch


# --- DALI ------------------------------------------------------------------


def dali_batches(pipeline, count):
    taken = 0
    while taken < count:
        (batch,) = pipeline.run()
        size = min(len(batch), count - taken)
        taken += size
        yield sum(int(shape[0]) for shape in batch.shape()[:size])


def dali(job, suffix, reader):
    """A CPU-only pipeline around reader(fn, tfrecord, files, indexes, ...)."""
    from nvidia.dali import fn, pipeline_def, tfrecord
    files = files_of(job, "*." + suffix)
    indexes = [name + ".idx" for name in files]

    def epoch(case):
        @pipeline_def(batch_size=BATCH, num_threads=WORKERS, device_id=None,
                      prefetch_queue_depth=2)
        def pipeline():
            return reader(fn, tfrecord, case, {
                "path" if suffix == "tfrecord" else "paths": files,
                "index_path" if suffix == "tfrecord" else "index_paths":
                    indexes,
                "random_shuffle": case["is_shuffled"],
                "initial_fill": BUFFER, "prefetch_queue_depth": 2,
                "dont_use_mmap": True, "seed": 1, "name": "reader"})
        pipe = pipeline()
        pipe.build()
        return dali_batches(pipe, job["count"])
    return epoch


def dali_tfrecord(job):
    def reader(fn, tfrecord, case, options):
        feature = tfrecord.FixedLenFeature([], tfrecord.string, "")
        return fn.readers.tfrecord(
            features={"data": feature}, use_o_direct=case["is_cold"],
            **options)["data"]
    return dali(job, "tfrecord", reader)


def dali_webdataset(job):
    def reader(fn, _, case, options):
        del case
        return fn.readers.webdataset(ext=["bin"], **options)
    return dali(job, "tar", reader)


# --- the job ---------------------------------------------------------------

# name: (start, packages whose versions count)
PEERS = {
    "tf-raw": (tf_raw, ("tensorflow-cpu", "tensorflow")),
    "tf-tfrecord": (tf_record, ("tensorflow-cpu", "tensorflow")),
    "torch-plain": (torch_plain, ("torch", "numpy")),
    "torch-tuned": (torch_tuned, ("torch",)),
    "webdataset": (web_dataset, ("webdataset", "torch")),
    "mosaic": (mosaic, ("mosaicml-streaming", "torch")),
    "grain": (grain_array_record, ("grain", "array_record", "numpy")),
    "dali-tfrecord": (dali_tfrecord, ("nvidia-dali-cuda130",
                                      "nvidia-dali-cuda120")),
    "dali-webdataset": (dali_webdataset, ("nvidia-dali-cuda130",
                                          "nvidia-dali-cuda120")),
}
def uncache(paths):
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cache(paths):
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(16 << 20):
                pass


def cpu_s():
    return sum(use.ru_utime + use.ru_stime for use in
               (resource.getrusage(resource.RUSAGE_SELF),
                resource.getrusage(resource.RUSAGE_CHILDREN)))


def disk_bytes():
    """Read from the disk by this process and the workers that have ended."""
    with open("/proc/self/io", encoding="ascii") as file:
        for line in file:
            if line.startswith("read_bytes:"):
                return int(line.split()[1])
    return 0


def measure(epoch, case, paths):
    warm_up = epoch(case)
    for _ in range(3):
        next(warm_up, None)
    del warm_up
    gc.collect()
    (uncache if case["is_cold"] else cache)(paths)
    cpu_0, disk_0, start = cpu_s(), disk_bytes(), time.monotonic()
    total = 0
    batches = epoch(case)
    for size in batches:
        total += size
    wall = time.monotonic() - start
    del batches
    gc.collect()
    return {"wall_s": wall, "bytes": total, "cpu_s": cpu_s() - cpu_0,
            "disk_bytes": disk_bytes() - disk_0}


def versions(packages):
    found = []
    for name in packages:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def main():
    name, action, job = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    start, packages = PEERS[name]
    if action == "versions":
        print(json.dumps(versions(packages)))
        return
    epoch = start(job)
    for case in job["cases"]:
        print(json.dumps(measure(epoch, case, job["paths"])), flush=True)


if __name__ == "__main__":
    main()
