/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from a dataset's files to the GPU: file system, disks and their
 * node, direct reads, page cache, memory.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_cgroup.h"
#include "doctor_path.h"
#include "report.h"
#include "size.h"

#define TRIALS_MAX 4u /* files that are read directly */

static void check_files(struct doctor *doctor)
{
    const struct inputs *inputs = &doctor->data->inputs;
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    struct fg_dataset *dataset = NULL;
    struct fg_error err;
    char size[SIZE_TEXT_BYTES];
    char count[COUNT_BYTES];
    format_count(inputs->count, count);
    size_format(inputs->bytes, size);
    finding_put(f.why, "%s file%s%s, %s", count, inputs->count == 1 ? "" : "s",
                inputs->is_cut ? " and more" : "", size);
    enum fg_status status = fg_dataset_open(doctor->path, NULL, &dataset, &err);
    if (status == FG_OK) {
        struct fg_dataset_info info;
        fg_dataset_get_info(dataset, &info);
        finding_put(f.why,
                    "%" PRIu64 " shard%s, %" PRIu64 " samples, codec %s, %s",
                    info.shard_count, info.shard_count == 1 ? "" : "s",
                    info.sample_count, info.codec, size);
        fg_dataset_close(dataset);
    } else if (status == FG_ERR_DAMAGED) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why, "%.250s", err.message);
        finding_put(f.fix, "feedgpu verify %.200s", doctor->path);
    } else if (inputs->bytes == 0) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why, "%s file%s, but no byte in %s", count,
                    inputs->count == 1 ? "" : "s",
                    inputs->count == 1 ? "it" : "them");
    }
    doctor_report(doctor, &f);
}

/* What a kind of file system means for reading, and what to do about it. */
static const struct {
    enum verdict verdict;
    const char *meaning;
    const char *fix;
} fs_meanings[] = {
    [FS_DISK] = {VERDICT_PASS, "", ""},
    [FS_MEMORY] = {VERDICT_INFO, ": in memory, which tells nothing about disks",
                   ""},
    [FS_LAYERS] = {VERDICT_WARN, ": a container's layers, slower than a volume",
                   "mount the data into the container: docker run -v DIR:DIR"},
    [FS_PROGRAM] = {VERDICT_WARN, ": each read goes through another program",
                    "copy the dataset to a local NVMe"},
    [FS_NETWORK] = {VERDICT_INFO,
                    ": over the network, whose card counts, not a disk", ""},
    [FS_OTHER] = {VERDICT_UNKNOWN, ": not a file system known here", ""},
};

static void report_fs(struct doctor *doctor, const struct place *place)
{
    struct finding f = {.subject = place->mount.point};
    if (!place->has_mount) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/mountinfo does not tell");
        return;
    }
    enum fs kind = rule_fs(place->mount.type);
    f.verdict = fs_meanings[kind].verdict;
    finding_put(f.why, "%s%s", place->mount.type, fs_meanings[kind].meaning);
    finding_put(f.fix, "%s", fs_meanings[kind].fix);
    finding_put(f.evidence, "%.60s on %.60s, %.60s (/proc/self/mountinfo)",
                place->mount.source, place->mount.point, place->mount.options);
    doctor_report(doctor, &f);
}

static void check_fs(struct doctor *doctor)
{
    for (uint32_t i = 0; i < doctor->data->place_count; i++) {
        report_fs(doctor, &doctor->data->places[i]);
    }
}

static void report_disks(struct doctor *doctor, const struct place *place)
{
    const struct fg_block *block = &place->block;
    if (block->leaf_count == 0) {
        bool is_expected =
            place->has_mount && rule_fs(place->mount.type) != FS_DISK;
        doctor_say(doctor, NULL, is_expected ? VERDICT_NA : VERDICT_UNKNOWN,
                   "%s", place->no_block);
        return;
    }
    char names[128] = "";
    for (uint32_t i = 0; i < block->leaf_count; i++) {
        size_t used = strlen(names);
        if (used + sizeof(block->leaves[i].name) + 8 > sizeof(names)) {
            snprintf(names + used, sizeof(names) - used, " ...");
            break;
        }
        snprintf(names + used, sizeof(names) - used, "%s%s",
                 used > 0 ? " " : "", block->leaves[i].name);
    }
    bool is_disk = strcmp(names, block->name) == 0;
    doctor_say(doctor, block->name, VERDICT_PASS, "%s%s",
               is_disk ? "a disk" : "it lies on ", is_disk ? "" : names);
}

static void check_disks(struct doctor *doctor)
{
    for (uint32_t i = 0; i < doctor->data->place_count; i++) {
        report_disks(doctor, &doctor->data->places[i]);
    }
}

/* The disks against one GPU. */
static void judge_node(const struct fg_block *block,
                       const struct fg_pci_device *gpu, struct finding *f)
{
    f->verdict = VERDICT_UNKNOWN;
    if (block->is_split != 0) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why, "the disks are on several nodes: some of each read "
                            "crosses");
    } else if (block->home.node < 0 || gpu->home.node < 0) {
        finding_put(f->why, "the node of %s is not known",
                    block->home.node < 0 ? block->name : "the GPU");
    } else if (block->home.node == gpu->home.node) {
        f->verdict = VERDICT_PASS;
        finding_put(f->why, "GPU and %s are on node %d", block->name,
                    gpu->home.node);
    } else {
        f->verdict = VERDICT_WARN;
        finding_put(f->why,
                    "%s is on node %d, the GPU on node %d: every byte crosses "
                    "the interconnect",
                    block->name, block->home.node, gpu->home.node);
        finding_put(f->fix,
                    "put the dataset on a disk of node %d, or use a "
                    "GPU of node %d (feedgpu topo)",
                    gpu->home.node, block->home.node);
    }
    finding_put(f->evidence, "numa_node of both (feedgpu topo)");
}

/* One place against all GPUs. */
static void report_nodes(struct doctor *doctor, const struct place *place)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (place->block.leaf_count == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "no disk below it");
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id};
        judge_node(&place->block, gpu, &f);
        doctor_report(doctor, &f);
    }
}

static void check_node(struct doctor *doctor)
{
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    if (doctor_node_count(doctor) <= 1) {
        doctor_say(doctor, NULL, VERDICT_NA, "only one node");
        return;
    }
    for (uint32_t i = 0; i < doctor->data->place_count; i++) {
        report_nodes(doctor, &doctor->data->places[i]);
    }
}

static void judge_direct(const struct direct_trial *trial, struct finding *f)
{
    if (trial->result == DIRECT_WORKS) {
        f->verdict = VERDICT_PASS;
        finding_put(f->why, "works, in multiples of %u bytes",
                    trial->align_bytes);
    } else if (trial->result == DIRECT_REFUSED) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "its file system has no direct reads: all goes "
                            "through the page cache");
        finding_put(f->fix, "keep the dataset on ext4 or XFS");
    } else {
        f->verdict = VERDICT_FAIL;
        finding_put(f->why, "it cannot be read: %s", strerror(trial->reason));
        finding_put(f->fix, "look at its permissions, and at dmesg");
    }
    finding_put(f->evidence, "pread with O_DIRECT: %s; statx says %u",
                trial->reason != 0 ? strerror(trial->reason) : "done",
                trial->told_bytes);
}

static void check_direct(struct doctor *doctor)
{
    size_t count = path_pick_count(doctor->data, TRIALS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct input_file *file = path_pick(doctor->data, i, count);
        struct finding f = {.subject = base_name(file->path)};
        struct direct_trial trial;
        probe_direct(file->path, &trial);
        judge_direct(&trial, &f);
        doctor_report(doctor, &f);
    }
}

/* More than so many percent in the cache is not a cold start. */
#define CACHED_PERCENT_MAX 5.0

static void check_cached(struct doctor *doctor)
{
    size_t count = path_pick_count(doctor->data, LOOKED_AT_MAX);
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    uint64_t cached = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t cached_here;
        uint64_t seen_here;
        if (probe_cached(path_pick(doctor->data, i, count)->path, &cached_here,
                         &seen_here)) {
            cached += cached_here;
            seen += seen_here;
        }
    }
    if (doctor->data->inputs.bytes == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "there is no data");
        return;
    }
    if (seen == 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "the kernel tells this user of none of the files");
        return;
    }
    double percent = 100.0 * (double)cached / (double)seen;
    char size[SIZE_TEXT_BYTES];
    size_format(seen, size);
    finding_put(f.why, "%.0f %% is in the page cache", percent);
    if (percent > CACHED_PERCENT_MAX) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%.0f %% is in the page cache: what is measured now is "
                    "not the disk",
                    percent);
        finding_put(f.fix, "measure with --direct on; to empty the cache: echo "
                           "1 > /proc/sys/vm/drop_caches");
    }
    finding_put(f.evidence, "cachestat or mincore, %s looked at", size);
    doctor_report(doctor, &f);
}

/* What may cache the files: what is available, but no more than the limit. */
static bool find_memory(const struct doctor *doctor, uint64_t *bytes)
{
    struct cgroup_limit limit;
    char text[64];
    uint64_t kib;
    if (!doctor_read_field(doctor, "/proc/meminfo", "MemAvailable", text,
                           sizeof(text))) {
        return false;
    }
    text[strcspn(text, " ")] = '\0';
    if (!rule_count(text, &kib) || kib > UINT64_MAX / 1024) {
        return false;
    }
    *bytes = kib * 1024;
    if (cgroup_memory(doctor, &limit) && limit.value < *bytes) {
        *bytes = limit.value;
    }
    return true;
}

static void check_memory(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    uint64_t memory;
    char data_text[SIZE_TEXT_BYTES];
    char memory_text[SIZE_TEXT_BYTES];
    if (doctor->data->inputs.bytes == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "there is no data");
        return;
    }
    if (!find_memory(doctor, &memory)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/meminfo does not tell");
        return;
    }
    size_format(doctor->data->inputs.bytes, data_text);
    size_format(memory, memory_text);
    finding_put(f.why, "%s of data, %s for a cache: every epoch reads the disk",
                data_text, memory_text);
    enum cover cover = rule_cover(doctor->data->inputs.bytes, memory);
    if (cover != COVER_LITTLE) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%s of data, %s for a cache: it hides %s the disk from the "
                    "second epoch on, good for training, wrong for a test",
                    data_text, memory_text,
                    cover == COVER_WHOLE ? "all of" : "a part of");
        finding_put(f.fix, "to test the disk: --direct on, or five times the "
                           "memory in data");
    }
    finding_put(f.evidence, "MemAvailable, memory.max: %s", memory_text);
    doctor_report(doctor, &f);
}

static const struct check checks[] = {
    {.name = "path-files",
     .title = "Files",
     .reads = "their number and sizes; the headers of shards",
     .warns = "a damaged shard, or only empty files: WARN",
     .run = check_files},
    {.name = "path-file-system",
     .title = "File system",
     .reads = "/proc/self/mountinfo",
     .warns = "overlay or fuse: WARN; memory or network: INFO",
     .run = check_fs},
    {.name = "path-disks",
     .title = "Disks below it",
     .reads = "/sys/dev/block, slaves, the mount's source",
     .warns = "none can be found below a file system of disks: UNKNOWN",
     .run = check_disks},
    {.name = "path-node",
     .title = "Disk and GPU",
     .passed = "are on the disk's node",
     .reads = "the home nodes of the disks and of each GPU",
     .warns = "they differ: WARN; disks on several nodes: INFO",
     .run = check_node},
    {.name = "path-direct",
     .title = "Direct reads",
     .passed = "work",
     .reads = "statx (STATX_DIOALIGN), a trial read with O_DIRECT of up to 4 "
              "files",
     .warns = "no direct reads: WARN; it cannot be read: FAIL",
     .run = check_direct},
    {.name = "path-cached",
     .title = "Page cache",
     .reads = "cachestat, else mincore, of up to 256 files",
     .warns = "more than 5 % of it is cached: WARN",
     .run = check_cached},
    {.name = "path-memory",
     .title = "Data and memory",
     .reads = "the files' sizes, MemAvailable, the memory limit",
     .warns = "less than five times the memory: WARN",
     .run = check_memory},
};

const struct check_group path_checks = {"Data path", checks,
                                        sizeof(checks) / sizeof(checks[0])};
