/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel said of PCIe links when it started, and what lies between
 * PCI devices and memory: the IOMMU, which translates each
 * access, and access control, which sends accesses between devices up to the
 * root. feedgpu reads into host memory, so both cost it little; GPUDirect they
 * may cost everything. So they are warnings only where that is loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_rules.h"

static enum iommu read_iommu(const struct doctor *doctor, const char *bus_id)
{
    char path[96];
    char type[32];
    uint32_t units;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type",
             bus_id);
    if (doctor_read(doctor, path, type, sizeof(type))) {
        return rule_iommu(type);
    }
    return doctor_count_names(doctor, "/sys/class/iommu", "", &units) &&
                   units == 0
               ? IOMMU_OFF
               : IOMMU_UNKNOWN;
}

static void judge_iommu(enum iommu iommu, bool has_gds, struct finding *f)
{
    switch (iommu) {
    case IOMMU_OFF:
        f->verdict = VERDICT_PASS;
        finding_put(f->why, "none");
        break;
    case IOMMU_IDENTITY:
        f->verdict = VERDICT_PASS;
        finding_put(f->why, "passthrough");
        break;
    case IOMMU_LAZY:
    case IOMMU_STRICT:
        f->verdict = has_gds ? VERDICT_WARN : VERDICT_INFO;
        finding_put(f->why,
                    "%s: GPUDirect will be slow or refuse; reads into "
                    "host memory lose little",
                    iommu == IOMMU_STRICT ? "translates, strictly"
                                          : "translates, lazily");
        finding_put(f->fix, "boot with iommu=pt");
        break;
    default:
        f->verdict = VERDICT_UNKNOWN;
        finding_put(f->why, "neither its iommu_group nor /sys/class/iommu "
                            "tells");
        break;
    }
}

/* The words of the kernel's command line about IOMMUs. */
static void find_words(const struct doctor *doctor, char *words,
                       size_t words_bytes)
{
    char text[4096];
    char *rest = text;
    char *word;
    words[0] = '\0';
    if (!doctor_read(doctor, "/proc/cmdline", text, sizeof(text))) {
        return;
    }
    while ((word = strsep(&rest, " ")) != NULL) {
        size_t used = strlen(words);
        if (strstr(word, "iommu") != NULL && used + 1 < words_bytes) {
            snprintf(words + used, words_bytes - used, " %s", word);
        }
    }
}

static void check_iommu(struct doctor *doctor)
{
    bool has_gds = doctor_has_gds(doctor);
    char words[128];
    uint32_t seen = 0;
    find_words(doctor, words, sizeof(words));
    for (uint32_t i = 0; i < fg_topology_pci_count(doctor->topology); i++) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, i);
        struct finding f = {.subject = device->bus_id};
        if (device->kind == FG_PCI_NIC || device->kind == FG_PCI_OTHER) {
            continue;
        }
        seen++;
        judge_iommu(read_iommu(doctor, device->bus_id), has_gds, &f);
        finding_put(f.evidence,
                    "iommu_group/type of the device, /proc/cmdline:"
                    "%s",
                    words[0] != '\0' ? words : " nothing about it");
        doctor_report(doctor, &f);
    }
    if (seen == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "neither GPU nor NVMe here");
    }
}

/* What the bridges above a device do, while they are walked. */
struct bridges {
    uint32_t count;              /* PCI devices above it */
    uint32_t hidden;             /* whose registers are not readable */
    uint32_t redirecting;        /* that send peers' accesses up */
    char first[FG_BUS_ID_BYTES]; /* one that does */
};

static void take_bridge(const struct doctor *doctor, const char *bus_id,
                        struct bridges *bridges)
{
    uint8_t config[4096];
    char path[96];
    size_t got = 0;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bus_id);
    bridges->count++;
    if (fg_sysroot_read_bytes(doctor->root, path, config, sizeof(config), &got,
                              NULL) != FG_OK) {
        got = 0;
    }
    switch (rule_acs(config, got)) {
    case ACS_HIDDEN:
    case ACS_DAMAGED:
        bridges->hidden++;
        break;
    case ACS_REDIRECT:
        if (bridges->redirecting++ == 0) {
            snprintf(bridges->first, sizeof(bridges->first), "%s", bus_id);
        }
        break;
    default:
        break;
    }
}

/* Walk the bus ids in the device's path, but not its own. */
static void walk_bridges(const struct doctor *doctor,
                         const struct fg_pci_device *device,
                         struct bridges *bridges)
{
    char path[FG_SYSROOT_PATH_BYTES];
    char *rest = path;
    char *name;
    snprintf(path, sizeof(path), "%s", device->path);
    while ((name = strsep(&rest, "/")) != NULL) {
        char bus_id[FG_BUS_ID_BYTES];
        if (fg_bus_id_parse(name, bus_id, NULL) == FG_OK &&
            strcmp(bus_id, device->bus_id) != 0) {
            take_bridge(doctor, bus_id, bridges);
        }
    }
}

static void check_acs(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    bool has_gds = doctor_has_gds(doctor);
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id, .verdict = VERDICT_PASS};
        struct bridges bridges = {.count = 0};
        walk_bridges(doctor, gpu, &bridges);
        finding_put(f.why, "no bridge above it keeps devices apart");
        if (bridges.count == 0) {
            f.verdict = VERDICT_NA;
            finding_put(f.why, "no bridge above it is shown");
        } else if (bridges.redirecting > 0) {
            f.verdict = has_gds ? VERDICT_WARN : VERDICT_INFO;
            finding_put(f.why,
                        "%s sends accesses between devices up to the root: "
                        "GPUDirect and peer copies are slow",
                        bridges.first);
            finding_put(f.fix,
                        "turn ACS off in the firmware, or: setpci -s %s "
                        "ECAP_ACS+0x6.w=0000",
                        bridges.first);
        } else if (bridges.hidden > 0) {
            f.verdict = VERDICT_UNKNOWN;
            finding_put(f.why,
                        "%u of %u bridges do not show their registers: "
                        "try as root",
                        bridges.hidden, bridges.count);
        }
        finding_put(f.evidence,
                    "ACS control in config of the bridges above it (%u)",
                    bridges.count);
        doctor_report(doctor, &f);
    }
}

#define LOG_RECORDS_MAX 100000 /* a hundred times what is usual */

/* What the log said of one device, while it is read. */
struct log_reading {
    struct doctor *doctor;
    uint32_t found; /* lines about devices of the topology */
};

/* Report a line that says that a GPU, NVMe or NIC has less than it could. */
static void take_log_line(struct log_reading *reading, const char *line)
{
    struct limited limited;
    if (!rule_limited(line, &limited)) {
        return;
    }
    struct doctor *doctor = reading->doctor;
    for (uint32_t i = 0; i < fg_topology_pci_count(doctor->topology); i++) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, i);
        if (strcmp(device->bus_id, limited.bus_id) != 0) {
            continue;
        }
        struct finding f = {.subject = device->bus_id};
        f.verdict = limited.got_gbits * 2 <= limited.able_gbits * 1.01
                        ? VERDICT_WARN
                        : VERDICT_INFO;
        finding_put(f.why,
                    "when it started, %s let this %s have %.0f of its %.0f "
                    "Gbit/s",
                    limited.limit_bus_id, fg_pci_kind_name(device->kind),
                    limited.got_gbits, limited.able_gbits);
        finding_put(f.fix, "move the card to a slot with more lanes or speed");
        finding_put(f.evidence, "kernel log: available PCIe bandwidth, limited "
                                "by ... (dmesg)");
        doctor_report(doctor, &f);
        reading->found++;
    }
}

/* Read /dev/kmsg: a record per read. False: not allowed. */
static bool read_kernel_log(struct log_reading *reading, bool *is_whole)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool is_first = true;
    bool has_read = false;
    *is_whole = false;
    for (uint32_t i = 0; i < LOG_RECORDS_MAX; i++) {
        char record[8193];
        ssize_t got = read(fd, record, sizeof(record) - 1);
        if (got < 0 && (errno == EPIPE || errno == EINTR)) {
            continue; /* overwritten meanwhile: the next one */
        }
        if (got <= 0) {
            has_read = has_read || (got < 0 && errno == EAGAIN);
            break;
        }
        record[got] = '\0';
        if (is_first) {
            /* "PRIORITY,SEQUENCE,...": 0 is the boot's first. */
            const char *comma = strchr(record, ',');
            *is_whole = comma != NULL && strncmp(comma, ",0,", 3) == 0;
        }
        is_first = false;
        has_read = true;
        take_log_line(reading, record);
    }
    close(fd);
    return has_read;
}

/* A copy may have the text that Debian keeps of the boot. */
static bool read_copied_log(struct log_reading *reading)
{
    char *text = doctor_read_long(reading->doctor, "/var/log/dmesg");
    char *rest = text;
    char *line;
    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        take_log_line(reading, line);
    }
    free(text);
    return text != NULL;
}

static void check_log(struct doctor *doctor)
{
    struct log_reading reading = {.doctor = doctor};
    bool is_whole = true;
    if (fg_topology_pci_count(doctor->topology) == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "neither GPU, NVMe nor NIC here");
        return;
    }
    bool has_read = doctor->is_copy ? read_copied_log(&reading)
                                    : read_kernel_log(&reading, &is_whole);
    if (!has_read) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   doctor->is_copy ? "the copy has no var/log/dmesg"
                                   : "the kernel's log may not be read here: "
                                     "try as root, or dmesg");
    } else if (reading.found == 0 && !is_whole) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "the log no longer reaches back to the boot");
    } else if (reading.found == 0) {
        doctor_say(doctor, NULL, VERDICT_PASS,
                   "no word of a link that limits another");
    }
}

static const struct check checks[] = {
    {.name = "pcie-log",
     .title = "PCIe in the log",
     .reads = "the kernel's log: \"available PCIe bandwidth, limited by\"",
     .warns = "half or less for a GPU, NVMe or NIC: WARN; less: INFO",
     .run = check_log},
    {.name = "iommu",
     .title = "IOMMU",
     .passed = "are not translated",
     .reads = "iommu_group/type of GPUs and NVMe, /sys/class/iommu, "
              "/proc/cmdline",
     .warns = "it translates: WARN with GPUDirect Storage, else INFO",
     .run = check_iommu},
    {.name = "acs",
     .title = "Access control",
     .reads = "the ACS capability in config of the bridges above GPUs (root)",
     .warns = "redirects peers: WARN with GPUDirect Storage, else INFO",
     .run = check_acs},
};

const struct check_group pcie_checks = {"PCIe", checks,
                                        sizeof(checks) / sizeof(checks[0])};
