#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write /sys and /proc of machines that differ in kind, for --sysroot.

    machines.py MACHINE FOLDER

    two-sockets  2 nodes, 8 GPUs behind PCIe switches, each with an NVMe and
                 a NIC; one GPU at half its width, one switch with a narrow
                 uplink; md over disks of both nodes, dm, a partition, a
                 multipath NVMe; processes 4711 to 4719, one of a kind each
    vm-unknown   a virtual machine with 2 nodes whose devices all say -1
    gpu-memory   Grace Hopper: the GPU's memory is node 1, nodes 2 to 8 are
                 empty, PCI domains are not 0

The shapes, names and texts are those that such machines have; nothing here
was copied from one.
"""

import os
import sys

GPU, NVME, NIC, BRIDGE = "0x030200", "0x010802", "0x020700", "0x060400"
GEN4, GEN5 = "16.0 GT/s PCIe", "32.0 GT/s PCIe"
SYSTEM = "sys/devices/system"


class Machine:
    """A tree of files below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def put(self, path, text):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as file:
            file.write(str(text) + "\n")

    def link(self, path, target):
        """A link at path to target, both below the root, as sysfs has it."""
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(os.path.relpath(target, os.path.dirname(path)), full)

    def node(self, number, cpus, memory_gib, free_gib, distance):
        where = f"{SYSTEM}/node/node{number}"
        kib = 1024 * 1024
        self.put(f"{where}/cpulist", cpus)
        self.put(f"{where}/distance", distance)
        self.put(f"{where}/meminfo", "\n".join([
            f"Node {number} MemTotal:       {memory_gib * kib:8} kB",
            f"Node {number} MemFree:        {free_gib * kib:8} kB",
            f"Node {number} Active(file):   {memory_gib * kib // 32:8} kB",
            f"Node {number} Inactive(file): {memory_gib * kib // 16:8} kB"]))
        for size in (2048, 1048576):
            huge = f"{where}/hugepages/hugepages-{size}kB"
            self.put(f"{huge}/nr_hugepages", 512 if size == 2048 else 0)
            self.put(f"{huge}/free_hugepages", 384 if size == 2048 else 0)

    def system(self, nodes, cpus, allowed_nodes):
        self.put(f"{SYSTEM}/node/online", nodes)
        self.put(f"{SYSTEM}/cpu/online", cpus)
        self.put("proc/self/status", "\n".join([
            "Name:\tfeedgpu", "Seccomp:\t0", f"Cpus_allowed_list:\t{cpus}",
            f"Mems_allowed_list:\t{allowed_nodes}"]))
        self.put("proc/self/limits", "\n".join([
            "Limit                     Soft Limit           "
            "Hard Limit           Units     ",
            "Max open files            1048576              "
            "1048576              files     ",
            "Max locked memory         unlimited            "
            "unlimited            bytes     "]))
        self.put("proc/self/cgroup", "0::/job")
        self.put("proc/sys/vm/max_map_count", 65530)
        for name in ("cpu", "io", "memory"):
            self.put(f"proc/pressure/{name}", "\n".join(
                f"{line} avg10=0.12 avg60=0.50 avg300=0.40 total=1234567"
                for line in ("some", "full")))
        self.cgroup("sys/fs/cgroup", {})
        self.cgroup("sys/fs/cgroup/job", {
            "cpu.max": "max 100000", "memory.max": "max",
            "memory.high": "max", "cpuset.cpus.effective": cpus,
            "cpuset.mems.effective": allowed_nodes})
        self.folder_of("sys/class/iommu")
        self.put("proc/sys/kernel/numa_balancing", 0)
        self.put("proc/sys/vm/zone_reclaim_mode", 0)
        huge = "sys/kernel/mm/transparent_hugepage"
        self.put(f"{huge}/enabled", "always [madvise] never")
        self.put(f"{huge}/defrag", "always defer defer+madvise [madvise] never")

    def folder_of(self, path):
        os.makedirs(os.path.join(self.folder, path), exist_ok=True)

    def cgroup(self, path, files):
        self.put(f"{path}/cgroup.controllers", "cpuset cpu io memory pids")
        for name, text in files.items():
            self.put(f"{path}/{name}", text)

    def metal(self, flags, cpus, governor, driver):
        """A machine that is not virtual, with clocks that can be set."""
        self.put("proc/cpuinfo", f"flags\t\t: {flags}")
        self.put("sys/class/dmi/id/sys_vendor", "Written by hand")
        self.put("sys/class/dmi/id/product_name", "Test 1")
        for cpu in cpus:
            where = f"{SYSTEM}/cpu/cpu{cpu}/cpufreq"
            self.put(f"{where}/scaling_governor", governor)
            self.put(f"{where}/scaling_driver", driver)

    def nvidia(self, version, model, bus_ids, admin_only=1):
        """What the driver shows in /proc."""
        self.put("proc/driver/nvidia/version", "\n".join([
            f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  "
            "Thu Nov  2 19:45:28 UTC 2023",
            "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)"]))
        self.put("proc/driver/nvidia/params", "\n".join([
            "EnableMSI: 1", f"RmProfilingAdminOnly: {admin_only}"]))
        for bus_id in bus_ids:
            self.put(f"proc/driver/nvidia/gpus/{bus_id}/information",
                     f"Model: \t\t {model}\nDevice Minor: \t 0")

    def config(self, path, acs):
        """4096 bytes of PCI configuration space, ACS at 0x100."""
        data = bytearray(4096)
        data[0x100:0x104] = (0x0001000d).to_bytes(4, "little")
        data[0x106] = acs
        full = os.path.join(self.folder, f"sys/devices/{path}/config")
        with open(full, "wb") as file:
            file.write(data)

    def iommu_group(self, device, number, kind):
        group = f"sys/kernel/iommu_groups/{number}"
        self.put(f"{group}/type", kind)
        self.link(f"{device}/iommu_group", group)

    def pci(self, path, code, **more):
        """A PCI device at sys/devices/PATH; attributes as keywords."""
        where = f"sys/devices/{path}"
        values = {"class": code, "vendor": "0x8086", "device": "0x0001",
                  "numa_node": -1}
        values.update(more)
        driver = values.pop("driver", None)
        for name, value in values.items():
            if value is not None:
                self.put(f"{where}/{name}", value)
        self.link(f"sys/bus/pci/devices/{os.path.basename(path)}", where)
        if driver:
            home = f"sys/bus/pci/drivers/{driver}"
            os.makedirs(os.path.join(self.folder, home), exist_ok=True)
            self.link(f"{where}/driver", home)
        return where

    def disk(self, path, name, sectors=7501476528, queues=8, **more):
        """A block device in the folder of its controller."""
        where = f"{path}/{name}"
        self.put(f"{where}/size", sectors)
        values = {"scheduler": "[none] mq-deadline", "nr_requests": 1023,
                  "rotational": 0, "max_sectors_kb": 512,
                  "max_hw_sectors_kb": 2048, "read_ahead_kb": 128,
                  "logical_block_size": 512}
        values.update(more)
        for key, value in values.items():
            self.put(f"{where}/queue/{key}", value)
        for queue in range(queues):
            self.put(f"{where}/mq/{queue}/nr_tags", values["nr_requests"])
        self.link(f"sys/block/{name}", where)
        self.link(f"sys/class/block/{name}", where)
        return where

    def slaves(self, where, names):
        for name in names:
            target = os.path.realpath(
                os.path.join(self.folder, "sys/class/block", name))
            target = os.path.relpath(target, os.path.realpath(self.folder))
            self.link(f"{where}/slaves/{name}", target)

    def virtual_disk(self, name, slaves):
        where = self.disk("sys/devices/virtual/block", name)
        self.slaves(where, slaves)


def links(speed, width, now=None, narrow=None):
    return {"max_link_speed": speed, "max_link_width": width,
            "current_link_speed": now or speed,
            "current_link_width": narrow or width}


def switch(machine, host, bus, node, cpus, index):
    """One PCIe switch: two GPUs, an NVMe, a NIC."""
    local = {"numa_node": node, "local_cpulist": cpus}
    # The second switch of the first socket has an uplink of half the width.
    up = links(GEN5, 8 if index == 1 else 16)
    root = f"{host}/0000:{bus:02x}:01.0"
    machine.pci(root, BRIDGE, driver="pcieport", **local, **links(GEN5, 16))
    upstream = f"{root}/0000:{bus + 1:02x}:00.0"
    machine.pci(upstream, BRIDGE, driver="pcieport", **local, **up)
    # The firmware left peers apart below the last switch.
    machine.config(root, 0x1d if index == 3 else 0)
    machine.config(upstream, 0)

    gpus = []

    def port(slot):
        path = f"{upstream}/0000:{bus + 2:02x}:{slot:02x}.0"
        machine.pci(path, BRIDGE, driver="pcieport", **local,
                    **links(GEN5, 16))
        machine.config(path, 0)
        return f"{path}/0000:{bus + 3 + slot:02x}:00.0"

    for slot in range(2):
        # An idle GPU slows its link down; one has lost half its lanes.
        narrow = 8 if index == 2 and slot == 1 else None
        gpu = machine.pci(port(slot), GPU, vendor="0x10de", device="0x2330",
                          driver="nvidia", **local,
                          **links(GEN5, 16, "2.5 GT/s PCIe", narrow))
        machine.iommu_group(gpu, index * 3 + slot, "identity")
        gpus.append(os.path.basename(gpu))
    nvme = machine.pci(port(2), NVME, vendor="0x144d", device="0xa824",
                       driver="nvme", **local, **links(GEN4, 4))
    machine.iommu_group(nvme, index * 3 + 2, "identity")
    machine.put(f"{nvme}/nvme/nvme{index}/model", "NVMe SSD")
    # Somebody has tuned one of the disks.
    tuned = {"max_sectors_kb": 128, "nr_requests": 32,
             "scheduler": "none [mq-deadline]"} if index == 3 else {}
    machine.disk(f"{nvme}/nvme/nvme{index}", f"nvme{index}n1", **tuned)
    nic = machine.pci(port(3), NIC, vendor="0x15b3", device="0x1021",
                      driver="mlx5_core", **local, **links(GEN5, 16))
    machine.put(f"{nic}/net/ib{index}/speed", 400000)
    machine.put(f"{nic}/infiniband/mlx5_{index}/node_type", "1: CA")
    return gpus


def two_sockets(machine):
    cpus = ("0-55,112-167", "56-111,168-223")
    machine.system("0-1", "0-223", "0-1")
    machine.node(0, cpus[0], 1008, 820, "10 21")
    machine.node(1, cpus[1], 1008, 31, "21 10")
    gpus = []
    for index in range(4):
        node = index // 2
        bus = (0x15, 0x38, 0x84, 0xa7)[index]
        gpus += switch(machine, f"pci0000:{bus:02x}", bus, node, cpus[node],
                       index)
    machine.nvidia("535.129.03", "NVIDIA H100 80GB HBM3", gpus)
    machine.metal("fpu sse2 avx512f", range(4), "performance", "intel_cpufreq")
    machine.put("proc/cmdline", "root=/dev/nvme4n1p1 intel_iommu=on iommu=pt")
    machine.put("sys/class/iommu/dmar0/intel-iommu/version", "1:0")
    machine.put("var/log/dmesg", "\n".join([
        "[    0.000000] Linux version 6.8.0",
        "[    3.141593] pci 0000:3b:00.0: 252.048 Gb/s available PCIe "
        "bandwidth, limited by 32.0 GT/s PCIe x8 link at 0000:38:01.0 "
        "(capable of 504.112 Gb/s with 32.0 GT/s PCIe x16 link)"]))
    boot = machine.pci("pci0000:00/0000:00:1d.0/0000:01:00.0", NVME,
                       vendor="0x1344", driver="nvme", numa_node=0,
                       local_cpulist=cpus[0], **links(GEN4, 4, narrow=2))
    machine.pci("pci0000:00/0000:00:1d.0", BRIDGE, numa_node=0,
                **links(GEN4, 4))
    disk = machine.disk(f"{boot}/nvme/nvme4", "nvme4n1")
    machine.put(f"{disk}/nvme4n1p1/partition", 1)
    machine.link("sys/class/block/nvme4n1p1", f"{disk}/nvme4n1p1")
    machine.pci("pci0000:00/0000:00:1c.0/0000:02:00.0", "0x030000",
                vendor="0x1a03", driver="ast", numa_node=0)
    machine.virtual_disk("md0", ["nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1"])
    machine.virtual_disk("dm-0", ["nvme4n1p1"])
    multipath(machine, cpus[1])
    processes(machine, cpus)


GPUS = [f"0000:{bus}:00.0" for bus in "18 19 3b 3c 87 88 aa ab".split()]


def process(machine, pid, name, threads, memory, minors=(), group="/"):
    """A process: its threads as {name: (how many, CPUs)}, its memory as lines
    of numa_maps, the minor numbers of the GPUs it has open."""
    where = f"proc/{pid}"
    machine.put(f"{where}/status", "\n".join([
        f"Name:\t{name}", "State:\tS (sleeping)", f"Tgid:\t{pid}",
        f"Pid:\t{pid}", "PPid:\t1", "VmSize:\t 1 kB",
        "Mems_allowed_list:\t" + ("0" if group == "/batch" else "0-1")]))
    machine.put(f"{where}/stat", f"{pid} ({name}) S" + 18 * " 1" + " 88 1")
    machine.put(f"{where}/cmdline",
                f"{name}\0train.py\0--gpus\0{len(minors)}\0")
    machine.put(f"{where}/cgroup", f"0::{group}")
    tid = 10 * pid
    for thread, (count, cpus) in threads.items():
        for _ in range(count):
            machine.put(f"{where}/task/{tid}/status", "\n".join([
                f"Name:\t{thread}", f"Cpus_allowed_list:\t{cpus}"]))
            tid += 1
    machine.put(f"{where}/numa_maps", "\n".join(memory))
    os.makedirs(os.path.join(machine.folder, f"{where}/fd"), exist_ok=True)
    for fd, target in enumerate(["/dev/null", "/dev/nvidiactl"] +
                                [f"/dev/nvidia{minor}" for minor in minors]):
        os.symlink(target, os.path.join(machine.folder, f"{where}/fd/{fd}"))


def processes(machine, cpus):
    every = "0-223"
    code = ("7f8800000000 default file=/usr/lib/libtorch.so mapped=61440 "
            "mapmax=9 N0=61440 kernelpagesize_kB=4")
    heap = "55d000000000 default heap anon=12058624 dirty=12058624 "
    huge = "7f2000000000 default file=/anon_hugepage huge anon=512 N{0}=512 " \
        "kernelpagesize_kB=2048"
    machine.put("sys/fs/cgroup/cpuset.cpus.effective", every)
    machine.put("sys/fs/cgroup/batch/cpuset.cpus.effective", cpus[0])
    for minor, bus in enumerate(GPUS):
        machine.put(f"proc/driver/nvidia/gpus/{bus}/information",
                    f"Model: \t\t NVIDIA H100 80GB HBM3\n"
                    f"Device Minor: \t {minor}")
    near = heap + "N1=12058624 kernelpagesize_kB=4"
    far = heap + "N0=11534336 N1=524288 kernelpagesize_kB=4"
    both = heap + "N0=6029312 N1=6029312 kernelpagesize_kB=4"
    loose = {"python3": (24, every), "pt_data_worker": (8, cpus[0])}
    process(machine, 4711, "python3", loose, [far, huge.format(0), code],
            (4, 5), "/jobs/17/step")
    process(machine, 4712, "python3", loose, [far], (0, 4))
    process(machine, 4713, "python3", {"python3": (32, cpus[1])},
            [near, code], (6,))
    process(machine, 4714, "python3", {"python3": (32, cpus[1])}, [far])
    process(machine, 4715, "python3", {"python3": (3, every)}, [far])
    process(machine, 4716, "python3", {"python3": (3, every)}, [both])
    process(machine, 4717, "python3", {"python3": (3, cpus[0])}, [far],
            (7, 9), "/batch")
    machine.put("proc/4718/status", "Name:\tx\nState:\tZ (zombie)")
    machine.put("proc/4719/status", "Name:\tkswapd1\nKthread:\t1")


def multipath(machine, cpus):
    """An NVMe whose disk lies below a virtual subsystem."""
    path = "pci0000:84/0000:84:02.0/0000:8f:00.0"
    machine.pci("pci0000:84/0000:84:02.0", BRIDGE, numa_node=1,
                **links(GEN4, 4))
    nvme = machine.pci(path, NVME, vendor="0x1e0f", driver="nvme",
                       numa_node=1, local_cpulist=cpus, **links(GEN4, 4))
    machine.put(f"{nvme}/nvme/nvme5/model", "NVMe SSD")
    subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys5"
    machine.disk(subsystem, "nvme5n1")
    machine.link(f"{subsystem}/nvme5", f"{nvme}/nvme/nvme5")


def vm_unknown(machine):
    machine.system("0-1", "0-31", "0-1")
    machine.node(0, "0-15", 118, 100, "10 20")
    machine.node(1, "16-31", 118, 101, "20 10")
    every = {"local_cpulist": "0-31", "vendor": "0x1af4"}
    gpu = {"local_cpulist": "0-31", "vendor": "0x10de", "device": "0x20b2"}
    machine.pci("pci0000:00/0000:00:04.0", GPU, driver="nvidia", **gpu,
                **links(GEN4, 16))
    machine.pci("pci0000:00/0000:00:05.0", GPU, driver="nvidia", **gpu,
                **links(GEN4, 16))
    disk = machine.pci("pci0000:00/0000:00:06.0", "0x010000",
                       driver="virtio-pci", **every)
    machine.disk(f"{disk}/virtio2/block", "vda", queues=1, rotational=1)
    nic = machine.pci("pci0000:00/0000:00:07.0", "0x020000",
                      driver="virtio-pci", **every)
    machine.put(f"{nic}/virtio3/net/eth0/speed", -1)
    machine.put("proc/cpuinfo", "flags\t\t: fpu sse2 hypervisor avx2")
    machine.put("sys/class/dmi/id/sys_vendor", "QEMU")
    machine.nvidia("550.54.15", "NVIDIA A100-SXM4-80GB",
                   ("0000:00:04.0", "0000:00:05.0"))
    container(machine)


def container(machine):
    """A job in a small container, whose limits are those of its parents."""
    machine.put("proc/self/cgroup", "0::/pods/pod1/main")
    machine.cgroup("sys/fs/cgroup/pods", {"memory.high": "805306368"})
    machine.cgroup("sys/fs/cgroup/pods/pod1",
                   {"cpu.max": "250000 100000", "memory.max": "536870912"})
    machine.cgroup("sys/fs/cgroup/pods/pod1/main",
                   {"cpu.max": "max 100000", "memory.max": "max"})
    machine.put("proc/self/limits", "\n".join([
        "Max open files            256                  "
        "256                  files     ",
        "Max locked memory         65536                "
        "65536                bytes     "]))
    machine.put("proc/pressure/cpu",
                "some avg10=35.10 avg60=9 avg300=4 total=1")
    machine.put("proc/pressure/io", "full avg10=41.00 avg60=9 avg300=4 total=1")
    machine.put("proc/pressure/memory",
                "full avg10=6.00 avg60=9 avg300=4 total=1")
    machine.put("proc/sys/vm/max_map_count", 4096)


def gpu_memory(machine):
    machine.system("0-8", "0-71", "0-8")
    machine.node(0, "0-71", 480, 440, "10 80 80 80 80 80 80 80 80")
    for node in range(1, 9):
        row = " ".join("10" if i == node else "80" if i == 0 else "255"
                       for i in range(9))
        machine.node(node, "", 96 if node == 1 else 0,
                     94 if node == 1 else 0, row)
    local = {"local_cpulist": "0-71", "numa_node": 0}
    port = "pci0009:00/0009:00:00.0"
    machine.pci(port, BRIDGE, numa_node=0, **links(GEN5, 16))
    machine.pci(f"{port}/0009:01:00.0", GPU, vendor="0x10de",
                device="0x2342", driver="nvidia", **local,
                **links(GEN5, 16))
    machine.put("proc/driver/nvidia/gpus/0009:01:00.0/numa_status",
                "Node: 1\nStatus: online")
    machine.nvidia("570.86.10", "NVIDIA GH200 480GB", ("0009:01:00.0",), 0)
    machine.metal("fp asimd evtstrm", range(72), "powersave", "cppc_cpufreq")
    machine.put("proc/driver/nvidia-fs/version", "version: 2.17")
    huge = "sys/kernel/mm/transparent_hugepage"
    machine.put(f"{huge}/enabled", "always madvise [never]")
    nvme = machine.pci("pci10005:00/10005:00:00.0/10005:01:00.0", NVME,
                       vendor="0x144d", driver="nvme", **local,
                       **links(GEN5, 4))
    machine.pci("pci10005:00/10005:00:00.0", BRIDGE, numa_node=0,
                **links(GEN5, 4))
    machine.config(port, 0x1d)
    machine.put("proc/sys/kernel/numa_balancing", 1)
    machine.put("proc/sys/vm/zone_reclaim_mode", 1)
    machine.iommu_group(nvme, 7, "DMA-FQ")
    machine.iommu_group(f"sys/devices/{port}/0009:01:00.0", 3, "DMA")
    machine.disk(f"{nvme}/nvme/nvme0", "nvme0n1", queues=72)


MACHINES = {"two-sockets": two_sockets, "vm-unknown": vm_unknown,
            "gpu-memory": gpu_memory}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in MACHINES:
        sys.exit(f"usage: machines.py {'|'.join(MACHINES)} FOLDER")
    MACHINES[sys.argv[1]](Machine(sys.argv[2]))


if __name__ == "__main__":
    main()
