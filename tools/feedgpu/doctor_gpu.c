/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs: which there are, and their links all the way up. */
#include "doctor.h"

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
};

const struct check_group gpu_checks = {"GPUs", checks,
                                       sizeof(checks) / sizeof(checks[0])};
