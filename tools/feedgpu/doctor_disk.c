/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: the queue and the link of each that lies at the bottom. With PATH
 * only those below it, else all.
 */
#include <inttypes.h>
#include <string.h>

#include "doctor.h"
#include "doctor_path.h"
#include "doctor_rules.h"

/* The index-th disk below PATH, counted over its file systems; or NULL. */
static const struct fg_block_leaf *disk_of_path(const struct path *path,
                                                uint32_t index)
{
    for (uint32_t i = 0; i < path->place_count; i++) {
        const struct fg_block *block = &path->places[i].block;
        if (index < block->leaf_count) {
            return &block->leaves[index];
        }
        index -= block->leaf_count;
    }
    return NULL;
}

/* Two file systems may lie on one disk. */
static bool was_earlier(const struct path *path, uint32_t index)
{
    const char *name = disk_of_path(path, index)->name;
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(disk_of_path(path, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The next disk from *index on, or NULL. Moves *index. */
static const struct fg_block_leaf *next_disk(const struct doctor *doctor,
                                             uint32_t *index)
{
    if (doctor->data != NULL) {
        const struct fg_block_leaf *disk;
        while ((disk = disk_of_path(doctor->data, *index)) != NULL &&
               was_earlier(doctor->data, *index)) {
            (*index)++;
        }
        (*index)++;
        return disk;
    }
    while (*index < fg_topology_block_count(doctor->topology)) {
        const struct fg_block *block =
            fg_topology_block(doctor->topology, (*index)++);
        if (block->leaf_count == 1 &&
            strcmp(block->leaves[0].name, block->name) == 0) {
            return &block->leaves[0];
        }
    }
    return NULL;
}

static bool is_nvme(const struct fg_block_leaf *disk)
{
    return strncmp(disk->name, "nvme", 4) == 0;
}

/* A virtual machine's disk, which says of itself what it likes. */
static bool is_virtual(const struct fg_block_leaf *disk)
{
    return strncmp(disk->name, "vd", 2) == 0 ||
           strncmp(disk->name, "xvd", 3) == 0;
}

/* Fills the finding of one disk; its verdict is UNKNOWN beforehand. */
typedef void (*judge_fn)(const struct doctor *doctor,
                         const struct fg_block_leaf *disk, struct finding *f);

static void check_each(struct doctor *doctor, bool is_nvme_only, judge_fn judge)
{
    uint32_t index = 0;
    uint32_t seen = 0;
    const struct fg_block_leaf *disk;
    while ((disk = next_disk(doctor, &index)) != NULL) {
        struct finding f = {.subject = disk->name, .verdict = VERDICT_UNKNOWN};
        if (is_nvme_only && !is_nvme(disk)) {
            continue;
        }
        seen++;
        finding_put(f.why, "the kernel does not tell");
        judge(doctor, disk, &f);
        doctor_report(doctor, &f);
    }
    if (seen == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "no %s here",
                   is_nvme_only ? "NVMe disk" : "disk");
    }
}

static bool read_queue(const struct doctor *doctor,
                       const struct fg_block_leaf *disk, const char *name,
                       uint64_t *value)
{
    char path[128];
    snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", disk->name, name);
    return doctor_read_count(doctor, path, value);
}

static void judge_scheduler(const struct doctor *doctor,
                            const struct fg_block_leaf *disk, struct finding *f)
{
    char path[96];
    char text[256];
    char choice[64];
    snprintf(path, sizeof(path), "/sys/block/%s/queue/scheduler", disk->name);
    if (!doctor_read(doctor, path, text, sizeof(text))) {
        return;
    }
    if (!rule_chosen(text, choice, sizeof(choice))) {
        if (strcmp(text, "none") != 0) {
            return;
        }
        snprintf(choice, sizeof(choice), "none");
    }
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "%s", choice);
    if (is_nvme(disk) && strcmp(choice, "none") != 0) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "%s orders requests that an NVMe orders better",
                    choice);
        finding_put(f->fix, "echo none > %s", path);
    }
    finding_put(f->evidence, "%s (%s)", choice, path);
}

static void check_scheduler(struct doctor *doctor)
{
    check_each(doctor, false, judge_scheduler);
}

static void judge_kind(const struct doctor *doctor,
                       const struct fg_block_leaf *disk, struct finding *f)
{
    uint64_t rotational;
    if (!read_queue(doctor, disk, "rotational", &rotational)) {
        return;
    }
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "does not rotate");
    if (rotational != 0 && is_virtual(disk)) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why, "says that it rotates, as virtual disks do");
    } else if (rotational != 0) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "rotates: 100 to 200 reads a second out of order, "
                            "and 0.3 GB/s in order");
        finding_put(f->fix, "keep the dataset on an SSD");
    }
    finding_put(f->evidence, "rotational=%" PRIu64 " (/sys/block/%s/queue)",
                rotational, disk->name);
}

static void check_kind(struct doctor *doctor)
{
    check_each(doctor, false, judge_kind);
}

static void judge_requests(const struct doctor *doctor,
                           const struct fg_block_leaf *disk, struct finding *f)
{
    struct queue queue;
    if (!read_queue(doctor, disk, "max_sectors_kb", &queue.request_kib) ||
        !read_queue(doctor, disk, "max_hw_sectors_kb",
                    &queue.request_kib_max)) {
        return;
    }
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "up to %" PRIu64 " KiB", queue.request_kib);
    if (rule_requests_are_small(&queue)) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why,
                    "up to %" PRIu64 " KiB of the %" PRIu64 " KiB that it "
                    "could: reads are cut up",
                    queue.request_kib, queue.request_kib_max);
        finding_put(f->fix,
                    "echo %" PRIu64 " > /sys/block/%s/queue/"
                    "max_sectors_kb",
                    queue.request_kib_max < 1280 ? queue.request_kib_max : 1280,
                    disk->name);
    }
    finding_put(f->evidence,
                "max_sectors_kb=%" PRIu64 " max_hw_sectors_kb=%" PRIu64
                " (/sys/block/%s/queue)",
                queue.request_kib, queue.request_kib_max, disk->name);
}

static void check_requests(struct doctor *doctor)
{
    check_each(doctor, false, judge_requests);
}

/* What a loader keeps under way: 64 MiB in reads of 1 MiB. */
#define DEPTH_PLANNED 64u

static void judge_depth(const struct doctor *doctor,
                        const struct fg_block_leaf *disk, struct finding *f)
{
    uint64_t requests;
    uint64_t ahead_kib = 0;
    if (!read_queue(doctor, disk, "nr_requests", &requests)) {
        return;
    }
    bool has_ahead = read_queue(doctor, disk, "read_ahead_kb", &ahead_kib);
    f->verdict = requests < DEPTH_PLANNED ? VERDICT_INFO : VERDICT_PASS;
    finding_put(f->why, "%" PRIu64 " requests%s", requests,
                requests < DEPTH_PLANNED
                    ? ": fewer than a loader keeps under way"
                    : "");
    finding_put(f->evidence, "nr_requests=%" PRIu64, requests);
    if (has_ahead) {
        finding_put(f->evidence,
                    "nr_requests=%" PRIu64 ", read_ahead_kb=%" PRIu64
                    " (only without O_DIRECT) (/sys/block/%s/queue)",
                    requests, ahead_kib, disk->name);
    }
}

static void check_depth(struct doctor *doctor)
{
    check_each(doctor, false, judge_depth);
}

/* The controller's PCI device, or NULL. */
static const struct fg_pci_device *
controller_of(const struct doctor *doctor, const struct fg_block_leaf *disk)
{
    const struct fg_pci_device *device = NULL;
    if (disk->bus_id[0] == '\0' ||
        fg_topology_find_pci(doctor->topology, disk->bus_id, &device, NULL) !=
            FG_OK) {
        return NULL;
    }
    return device;
}

static void judge_link(const struct doctor *doctor,
                       const struct fg_block_leaf *disk, struct finding *f)
{
    const struct fg_pci_device *device = controller_of(doctor, disk);
    if (device == NULL || fg_link_bytes_per_s(&device->link_now) == 0 ||
        fg_link_bytes_per_s(&device->link_max) == 0) {
        return;
    }
    double now = (double)fg_link_bytes_per_s(&device->link_now) / 1e9;
    double best = (double)fg_link_bytes_per_s(&device->link_max) / 1e9;
    double way = (double)fg_link_bytes_per_s(&device->path_max) / 1e9;
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "%.1f GB/s", now);
    if (now < best) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "%.1f of %.1f GB/s: %.1f GT/s x%u of %.1f GT/s x%u",
                    now, best, device->link_now.speed_mts / 1e3,
                    device->link_now.width, device->link_max.speed_mts / 1e3,
                    device->link_max.width);
        finding_put(f->fix, "reseat it, check slot and cable: lspci -vv -s %s",
                    device->bus_id);
    } else if (way > 0 && way < best) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why, "%s above it allows %.1f of its %.1f GB/s",
                    device->limit_bus_id, way, best);
    }
    finding_put(f->evidence, "current_link_*, max_link_* of %s",
                device->bus_id);
}

static void check_link(struct doctor *doctor)
{
    check_each(doctor, true, judge_link);
}

static void judge_queues(const struct doctor *doctor,
                         const struct fg_block_leaf *disk, struct finding *f)
{
    char path[96];
    char text[4096];
    uint32_t queues;
    uint64_t poll = 0;
    uint64_t cpus = 0;
    snprintf(path, sizeof(path), "/sys/block/%s/mq", disk->name);
    if (!doctor_count_names(doctor, path, "", &queues) || queues == 0 ||
        !doctor_read(doctor, "/sys/devices/system/cpu/online", text,
                     sizeof(text))) {
        return;
    }
    cpus = rule_list_count(text);
    (void)doctor_read_count(doctor, "/sys/module/nvme/parameters/poll_queues",
                            &poll);
    f->verdict = queues < cpus ? VERDICT_INFO : VERDICT_PASS;
    finding_put(f->why, "%u queues for %" PRIu64 " CPUs%s", queues, cpus,
                queues < cpus ? ": CPUs share them" : "");
    finding_put(f->evidence, "%s, poll_queues=%" PRIu64, path, poll);
}

static void check_queues(struct doctor *doctor)
{
    check_each(doctor, true, judge_queues);
}

static void report_array(struct doctor *doctor, const struct fg_block *block)
{
    struct finding f = {.subject = block->name, .verdict = VERDICT_PASS};
    double sum = 0;
    bool is_known = true;
    for (uint32_t i = 0; i < block->leaf_count; i++) {
        const struct fg_pci_device *device =
            controller_of(doctor, &block->leaves[i]);
        uint64_t rate =
            device != NULL ? fg_link_bytes_per_s(&device->path_max) : 0;
        is_known = is_known && rate > 0;
        sum += (double)rate / 1e9;
    }
    char rates[64] = "";
    if (is_known) {
        snprintf(rates, sizeof(rates), ", their links carry %.1f GB/s", sum);
    }
    finding_put(f.why, "%u disks%s", block->leaf_count, rates);
    if (block->is_split != 0) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why,
                    "%u disks%s; they are on several nodes, so some of each "
                    "read crosses the interconnect",
                    block->leaf_count, rates);
    }
    finding_put(f.evidence, "slaves of /sys/class/block/%s", block->name);
    doctor_report(doctor, &f);
}

static void check_arrays(struct doctor *doctor)
{
    const struct path *data = doctor->data;
    uint32_t count = data != NULL ? data->place_count
                                  : fg_topology_block_count(doctor->topology);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct fg_block *block =
            data != NULL ? &data->places[i].block
                         : fg_topology_block(doctor->topology, i);
        if (block->leaf_count > 1) {
            report_array(doctor, block);
            seen++;
        }
    }
    if (seen == 0) {
        doctor_say(doctor, NULL, VERDICT_NA,
                   "nothing is made of several disks");
    }
}

static const struct check checks[] = {
    {.name = "disk-kind",
     .title = "Disk",
     .passed = "do not rotate",
     .reads = "queue/rotational of each disk",
     .warns = "it rotates: WARN; a virtual one says so: INFO",
     .run = check_kind},
    {.name = "disk-scheduler",
     .title = "Scheduler",
     .passed = "have one that suits them",
     .reads = "queue/scheduler",
     .warns = "an NVMe has any but none: WARN",
     .run = check_scheduler},
    {.name = "disk-requests",
     .title = "Size of requests",
     .passed = "take large requests",
     .reads = "queue/max_sectors_kb, max_hw_sectors_kb",
     .warns = "below what it can and below 512 KiB: WARN",
     .run = check_requests},
    {.name = "disk-depth",
     .title = "Requests at once",
     .passed = "take enough requests",
     .reads = "queue/nr_requests, read_ahead_kb",
     .warns = "fewer than 64: INFO",
     .run = check_depth},
    {.name = "nvme-link",
     .title = "NVMe link",
     .passed = "have their full link",
     .reads = "current_link_*, max_link_* of the NVMe and of the bridges above",
     .warns = "less than the NVMe can: WARN; a bridge allows less: INFO",
     .run = check_link},
    {.name = "nvme-queues",
     .title = "NVMe queues",
     .passed = "have a queue for each CPU",
     .reads = "mq of the disk, /sys/module/nvme/parameters/poll_queues",
     .warns = "fewer than CPUs: INFO",
     .run = check_queues},
    {.name = "disk-arrays",
     .title = "Arrays",
     .passed = "are on one node",
     .reads = "slaves of md and dm devices, down to the disks",
     .warns = "disks on several nodes: INFO",
     .run = check_arrays},
};

const struct check_group disk_checks = {"Disks", checks,
                                        sizeof(checks) / sizeof(checks[0])};
