# SPDX-License-Identifier: Apache-2.0
"""Write the records in a peer's own format, with the peer's own writer.

    peer_write.py FORMAT JSON

peers.py starts it, once for each format, in a process of its own.
"""

import glob
import json
import os
import subprocess
import sys

SHARD_BYTES = 128 << 20


def records_of(job):
    """Each record of the source file, in order."""
    with open(job["records"], "rb", buffering=16 << 20) as file:
        for _ in range(job["count"]):
            yield file.read(job["record_bytes"])


def shards_of(job):
    """(shard number, its records), for formats whose user cuts the shards."""
    per_shard = max(1, SHARD_BYTES // job["record_bytes"])
    shard = []
    for record in records_of(job):
        shard.append(record)
        if len(shard) == per_shard:
            yield shard
            shard = []
    if shard:
        yield shard


def write_tfrecord(job):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    for number, shard in enumerate(shards_of(job)):
        path = os.path.join(job["dir"], f"{number:05}.tfrecord")
        with tf.io.TFRecordWriter(path) as out:
            for record in shard:
                data = tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[record]))
                out.write(tf.train.Example(features=tf.train.Features(
                    feature={"data": data})).SerializeToString())
    make_indexes(job, "tfrecord", "tfrecord2idx")


def write_webdataset(job):
    import webdataset
    pattern = os.path.join(job["dir"], "%05d.tar")
    with webdataset.ShardWriter(pattern, maxcount=1 << 30,
                                maxsize=SHARD_BYTES, verbose=0) as out:
        for number, record in enumerate(records_of(job)):
            out.write({"__key__": f"{number:08}", "bin": record})
    make_indexes(job, "tar", "wds2idx")


def write_mds(job):
    import numpy
    import streaming
    columns = {"data": f"ndarray:uint8:{job['record_bytes']}"}
    with streaming.MDSWriter(out=job["dir"], columns=columns,
                             exist_ok=True) as out:
        for record in records_of(job):
            out.write({"data": numpy.frombuffer(record, numpy.uint8)})


def write_array_record(job):
    from array_record.python import array_record_module
    for number, shard in enumerate(shards_of(job)):
        path = os.path.join(job["dir"], f"{number:05}.arrayrecord")
        out = array_record_module.ArrayRecordWriter(
            path, "group_size:1,uncompressed")
        for record in shard:
            out.write(record)
        out.close()


def make_indexes(job, suffix, tool):
    """What DALI's readers want beside each file, if DALI is there."""
    tool = os.path.join(os.path.dirname(sys.executable), tool)
    if os.path.exists(tool):
        for path in glob.glob(os.path.join(job["dir"], "*." + suffix)):
            subprocess.run([tool, path, path + ".idx"], check=True,
                           stdout=subprocess.DEVNULL)


WRITERS = {"tfrecord": write_tfrecord, "webdataset": write_webdataset,
           "mds": write_mds, "arrayrecord": write_array_record}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](json.loads(sys.argv[2]))
