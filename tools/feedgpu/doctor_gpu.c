/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs: which there are, and their links all the way up. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_rules.h"

/* "NVIDIA H100 80GB HBM3", from what its driver says of it; or "". */
static void read_model(const struct doctor *doctor, const char *bus_id,
                       char *model, size_t model_bytes)
{
    char path[96];
    snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information",
             bus_id);
    if (!doctor_read_field(doctor, path, "Model", model, model_bytes)) {
        model[0] = '\0';
    }
}

static void check_present(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_next_gpu(doctor, &index) == NULL) {
        doctor_say(doctor, NULL, VERDICT_INFO,
                   "no GPU here: the emulated device will be used");
        return;
    }
    index = 0;
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        char model[96];
        read_model(doctor, gpu->bus_id, model, sizeof(model));
        if (gpu->driver[0] == '\0') {
            doctor_say(doctor, gpu->bus_id, VERDICT_INFO, "no driver");
        } else {
            doctor_say(doctor, gpu->bus_id, VERDICT_PASS, "%s%sdriver %s",
                       model, model[0] != '\0' ? ", " : "", gpu->driver);
        }
    }
}

static void check_width(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id};
        uint32_t now = gpu->link_now.width;
        uint32_t max = gpu->link_max.width;
        f.verdict = now < max ? VERDICT_WARN : VERDICT_PASS;
        finding_put(f.why, "%u of %u lanes are in use", now, max);
        if (now == 0 || max == 0) {
            f.verdict = VERDICT_UNKNOWN;
            finding_put(f.why, "the kernel does not tell the lanes");
        } else if (now < max) {
            finding_put(f.fix,
                        "reseat the card, check riser and slot: "
                        "lspci -vv -s %s",
                        gpu->bus_id);
        }
        finding_put(f.evidence, "current_link_width=%u max_link_width=%u (%s)",
                    now, max, gpu->path);
        doctor_report(doctor, &f);
    }
}

static void check_speed(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        uint32_t now = gpu->link_now.speed_mts;
        uint32_t max = gpu->link_max.speed_mts;
        if (now == 0 || max == 0) {
            doctor_say(doctor, gpu->bus_id, VERDICT_UNKNOWN,
                       "the kernel does not tell the speed");
        } else if (now < max) {
            doctor_say(doctor, gpu->bus_id, VERDICT_INFO,
                       "%.1f of %.1f GT/s: an idle GPU slows its link down; "
                       "look again while it copies",
                       now / 1e3, max / 1e3);
        } else {
            doctor_say(doctor, gpu->bus_id, VERDICT_PASS, "%.1f GT/s",
                       now / 1e3);
        }
    }
}

static void check_upstream(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id};
        double own = (double)fg_link_bytes_per_s(&gpu->link_max);
        double way = (double)fg_link_bytes_per_s(&gpu->path_max);
        if (own == 0 || way == 0) {
            doctor_say(doctor, gpu->bus_id, VERDICT_UNKNOWN,
                       "the links above it are not known");
            continue;
        }
        if (way >= own) {
            doctor_say(doctor, gpu->bus_id, VERDICT_PASS,
                       "nothing above it is slower: %.1f GB/s", own / 1e9);
            continue;
        }
        f.verdict = way * 2 <= own * 1.01 ? VERDICT_WARN : VERDICT_INFO;
        finding_put(f.why, "%s above it allows %.1f of its %.1f GB/s",
                    gpu->limit_bus_id, way / 1e9, own / 1e9);
        finding_put(f.fix, "move the card to a slot with more lanes or speed");
        finding_put(f.evidence, "max_link_speed, max_link_width of %s",
                    gpu->limit_bus_id);
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
    if (doctor_lacks_gpu(doctor)) {
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
    {.name = "gpu-present",
     .title = "GPU",
     .passed = "have a driver",
     .reads = "PCI devices of class 0300, 0302 and 1200; "
              "/proc/driver/nvidia/gpus/*/information",
     .warns = "no GPU, or one without a driver: INFO",
     .run = check_present},
    {.name = "gpu-link-width",
     .title = "GPU link width",
     .passed = "use all their lanes",
     .reads = "current_link_width, max_link_width",
     .warns = "fewer lanes than the GPU has: WARN, also when it is idle",
     .run = check_width},
    {.name = "gpu-link-speed",
     .title = "GPU link speed",
     .passed = "run at their full speed",
     .reads = "current_link_speed, max_link_speed",
     .warns = "slower: INFO, since an idle GPU slows its link down",
     .run = check_speed},
    {.name = "gpu-upstream",
     .title = "Way up from the GPU",
     .passed = "have no slower link above them",
     .reads = "max_link_speed and max_link_width of every bridge above",
     .warns = "a bridge allows half or less of the GPU's own: WARN; less: INFO",
     .run = check_upstream},
    {.name = "gpu-kernel-log",
     .title = "PCIe in the log",
     .reads = "the kernel's log: \"available PCIe bandwidth, limited by\"",
     .warns = "half or less for a GPU, NVMe or NIC: WARN; less: INFO",
     .run = check_log},
};

const struct check_group gpu_checks = {"GPUs", checks,
                                       sizeof(checks) / sizeof(checks[0])};
