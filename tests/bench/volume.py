#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk with the limits of a cloud volume: so many MB/s, so many requests a
second, by the kernel's block throttling (control groups, version 1 or 2), for
this process and its children. As root.

    volume.py MB_PER_S:REQUESTS_PER_S[:READ_AHEAD_KIB] FOLDER -- COMMAND...

Read-ahead of the folder's disk is set too if it is given, and set back at the
end. The kernel counts requests as they are submitted, of any size; cloud
volumes count one for each 256 KiB: with no more bytes a second than 256 KiB
times the requests, that comes to the same.
"""

import contextlib
import os
import subprocess
import sys

V1 = "/sys/fs/cgroup/blkio"
V2 = "/sys/fs/cgroup"


def disk_of(folder):
    """The whole disk below a folder: "254:0" and its folder in /sys."""
    device = os.stat(folder).st_dev
    path = os.path.realpath(
        f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if os.path.exists(os.path.join(path, "partition")):
        path = os.path.dirname(path)
    with open(os.path.join(path, "dev"), encoding="ascii") as file:
        return file.read().strip(), path


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def limit(disk, bytes_per_s, requests_per_s):
    """Put this process into a group with these limits; gives the group, and
    that which it was in."""
    is_v1 = os.path.isdir(V1)
    top = V1 if is_v1 else V2
    group = os.path.join(top, f"feedgpu-volume-{os.getpid()}")
    if not is_v1:
        write(os.path.join(top, "cgroup.subtree_control"), "+io")
    os.mkdir(group)
    if is_v1:
        write(os.path.join(group, "blkio.throttle.read_bps_device"),
              f"{disk} {bytes_per_s}")
        write(os.path.join(group, "blkio.throttle.read_iops_device"),
              f"{disk} {requests_per_s}")
    else:
        write(os.path.join(group, "io.max"),
              f"{disk} rbps={bytes_per_s} riops={requests_per_s}")
    write(os.path.join(group, "cgroup.procs"), str(os.getpid()))
    return group, top


@contextlib.contextmanager
def volume(text, folder):
    """Limits for the time of a with statement."""
    numbers = [int(part) for part in text.split(":")]
    disk, path = disk_of(folder)
    read_ahead = os.path.join(path, "queue", "read_ahead_kb")
    with open(read_ahead, encoding="ascii") as file:
        before = file.read()
    group, top = limit(disk, numbers[0] * 1000 * 1000, numbers[1])
    try:
        if len(numbers) > 2:
            write(read_ahead, str(numbers[2]))
        yield
    finally:
        write(read_ahead, before)
        write(os.path.join(top, "cgroup.procs"), str(os.getpid()))
        os.rmdir(group)


def main():
    words = sys.argv[1:]
    if len(words) < 4 or words[2] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    with volume(words[0], words[1]):
        return subprocess.run(words[3:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
