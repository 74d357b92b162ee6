/* SPDX-License-Identifier: Apache-2.0 */
/* The state that GPUs are in, as their driver tells it (NVML). */
#include "doctor.h"
#include "doctor_nvml.h"
#include "doctor_rules.h"

/* Fills the finding of one GPU; its verdict is UNKNOWN beforehand. */
typedef void (*judge_fn)(const struct nvml_gpu *gpu, struct finding *f);

static void check_each(struct doctor *doctor, judge_fn judge)
{
    if (doctor->is_copy) {
        (void)doctor_is_copy(doctor);
        return;
    }
    const struct nvml *nvml = nvml_of(doctor);
    if (nvml->state == NVML_FAILED) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, "libnvidia-ml.so.1: %s",
                   nvml->reason);
    } else if (nvml->state == NVML_ABSENT && doctor_has_nvidia(doctor)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, "no libnvidia-ml.so.1");
    } else if (nvml->gpu_count == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "no NVIDIA GPU here");
    }
    for (uint32_t i = 0; i < nvml->gpu_count; i++) {
        struct finding f = {.subject = nvml->gpus[i].bus_id,
                            .verdict = VERDICT_UNKNOWN};
        finding_put(f.why, "the driver does not tell");
        judge(&nvml->gpus[i], &f);
        doctor_report(doctor, &f);
    }
}

static void judge_persistence(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->persistence == 1) {
        f->verdict = VERDICT_PASS;
        finding_put(f->why, "on");
    } else if (gpu->persistence == 0) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why, "off: without a user the driver unloads, and the "
                            "next start takes seconds");
        finding_put(f->fix, "nvidia-smi -pm 1");
    }
}

static void check_persistence(struct doctor *doctor)
{
    check_each(doctor, judge_persistence);
}

static void judge_throttle(const struct nvml_gpu *gpu, struct finding *f)
{
    char reasons[96];
    if (gpu->throttle == NVML_UNKNOWN) {
        return;
    }
    rule_throttle((uint64_t)gpu->throttle, reasons, sizeof(reasons));
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "nothing holds the clocks down");
    if (reasons[0] != '\0') {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "the clocks are held down by %s", reasons);
        finding_put(f->fix, "check cooling and power: nvidia-smi -q -d "
                            "PERFORMANCE,TEMPERATURE,POWER");
    }
    finding_put(f->evidence, "clocks event reasons 0x%llx (NVML)",
                (unsigned long long)gpu->throttle);
}

static void check_throttle(struct doctor *doctor)
{
    check_each(doctor, judge_throttle);
}

static void judge_replays(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->replays == NVML_UNKNOWN || gpu->replays_later == NVML_UNKNOWN) {
        return;
    }
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "no packet was sent twice");
    if (gpu->replays_later > gpu->replays) {
        f->verdict = VERDICT_WARN;
        finding_put(f->why, "packets are sent again right now: the link loses "
                            "them");
        finding_put(f->fix, "reseat the card, check riser and slot");
    } else if (gpu->replays > 0) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why,
                    "%lld packets were sent again since the driver "
                    "started, none just now",
                    (long long)gpu->replays);
    }
    finding_put(f->evidence, "replay counter %lld, then %lld (NVML)",
                (long long)gpu->replays, (long long)gpu->replays_later);
}

static void check_replays(struct doctor *doctor)
{
    check_each(doctor, judge_replays);
}

static void judge_ecc(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->ecc == NVML_UNKNOWN) {
        return;
    }
    f->verdict = gpu->ecc == 0 ? VERDICT_PASS : VERDICT_WARN;
    finding_put(f->why, "no uncorrected error");
    if (gpu->ecc != 0) {
        finding_put(f->why,
                    "%lld uncorrected memory errors since the driver "
                    "started",
                    (long long)gpu->ecc);
        finding_put(f->fix,
                    "nvidia-smi -q -d ECC,PAGE_RETIREMENT,ROW_REMAPPER");
    }
}

static void check_ecc(struct doctor *doctor)
{
    check_each(doctor, judge_ecc);
}

static void judge_mig(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->mig == NVML_UNKNOWN) {
        f->verdict = VERDICT_NA;
        finding_put(f->why, "it cannot be cut into instances");
    } else {
        f->verdict = gpu->mig == 0 ? VERDICT_PASS : VERDICT_INFO;
        finding_put(f->why,
                    gpu->mig == 0 ? "off" : "on: its instances share one link");
    }
}

static void check_mig(struct doctor *doctor)
{
    check_each(doctor, judge_mig);
}

static void judge_mode(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->compute_mode == NVML_UNKNOWN) {
        return;
    }
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "default");
    if (gpu->compute_mode == 2) {
        f->verdict = VERDICT_FAIL;
        finding_put(f->why, "prohibited: no program may compute on it");
        finding_put(f->fix, "nvidia-smi -i %s -c DEFAULT", gpu->bus_id);
    } else if (gpu->compute_mode != 0) {
        f->verdict = VERDICT_INFO;
        finding_put(f->why, "exclusive: one process at a time");
    }
}

static void check_mode(struct doctor *doctor)
{
    check_each(doctor, judge_mode);
}

static void judge_processes(const struct nvml_gpu *gpu, struct finding *f)
{
    if (gpu->processes == NVML_UNKNOWN) {
        return;
    }
    f->verdict = gpu->processes == 0 ? VERDICT_PASS : VERDICT_INFO;
    finding_put(f->why, "nobody else computes on it");
    if (gpu->processes != 0) {
        finding_put(f->why, "%lld processes compute on it and share its link",
                    (long long)gpu->processes);
    }
}

static void check_processes(struct doctor *doctor)
{
    check_each(doctor, judge_processes);
}

static const struct check checks[] = {
    {.name = "gpu-throttle",
     .title = "Clocks",
     .reads = "clocks event reasons (libnvidia-ml)",
     .warns = "held down by heat or a power brake: WARN",
     .run = check_throttle},
    {.name = "gpu-replays",
     .title = "PCIe replays",
     .reads = "the PCIe replay counter, twice (libnvidia-ml)",
     .warns = "it rises: WARN; it is not zero: INFO",
     .run = check_replays},
    {.name = "gpu-ecc",
     .title = "GPU memory errors",
     .reads = "uncorrected ECC errors (libnvidia-ml)",
     .warns = "any since the driver started: WARN",
     .run = check_ecc},
    {.name = "gpu-compute-mode",
     .title = "Compute mode",
     .reads = "the compute mode (libnvidia-ml)",
     .warns = "prohibited: FAIL; exclusive: INFO",
     .run = check_mode},
    {.name = "gpu-persistence",
     .title = "Persistence",
     .reads = "persistence mode (libnvidia-ml)",
     .warns = "off: INFO",
     .run = check_persistence},
    {.name = "gpu-mig",
     .title = "MIG",
     .reads = "MIG mode (libnvidia-ml)",
     .warns = "on: INFO, its instances share the link",
     .run = check_mig},
    {.name = "gpu-processes",
     .title = "Other processes",
     .reads = "processes that compute on it (libnvidia-ml)",
     .warns = "there are some: INFO",
     .run = check_processes},
};

const struct check_group state_checks = {"GPU state", checks,
                                         sizeof(checks) / sizeof(checks[0])};
