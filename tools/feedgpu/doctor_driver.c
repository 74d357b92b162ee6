/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPU's driver and what comes with it: its version, CUDA's, the copy
 * engines, CUPTI, GPUDirect Storage. Files tell most of it; the rest is asked
 * of libraries that are opened at run time, without a CUDA context.
 */
#include <dlfcn.h>
#include <string.h>

#include "doctor.h"
#include "doctor_nvml.h"
#include "doctor_rules.h"

#ifndef FEEDGPU_CUDA_VERSION
#define FEEDGPU_CUDA_VERSION 0 /* built without CUDA */
#endif

#define NO_NVIDIA "no NVIDIA GPU here"

/* True after N/A has been said: nothing of NVIDIA's is here. */
static bool lacks_nvidia(struct doctor *doctor)
{
    if (doctor_has_nvidia(doctor) ||
        (!doctor->is_copy && nvml_of(doctor)->state == NVML_READ)) {
        return false;
    }
    doctor_say(doctor, NULL, VERDICT_NA, NO_NVIDIA);
    return true;
}

/* A GPU that has fallen off the bus is still listed. */
static void report_lost(struct doctor *doctor)
{
    const struct nvml *nvml = nvml_of(doctor);
    struct finding f = {.subject = NULL, .verdict = VERDICT_FAIL};
    if (nvml->lost_count == 0) {
        return;
    }
    finding_put(f.why, "%u of %u GPUs do not answer the driver",
                nvml->lost_count, nvml->lost_count + nvml->gpu_count);
    finding_put(f.fix, "dmesg | grep Xid; then reset or restart");
    finding_put(f.evidence, "nvmlDeviceGetHandleByIndex");
    doctor_report(doctor, &f);
}

static void check_driver(struct doctor *doctor)
{
    static const char path[] = "/proc/driver/nvidia/version";
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    char text[512];
    char version[64] = "";
    if (lacks_nvidia(doctor)) {
        return;
    }
    if (!doctor->is_copy) {
        report_lost(doctor);
    }
    if (!doctor_read(doctor, path, text, sizeof(text))) {
        doctor_say(doctor, NULL, VERDICT_INFO,
                   "NVIDIA's driver is not loaded: the emulated device will "
                   "be used");
        return;
    }
    /* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu ..." */
    const char *at = strstr(text, "Module ");
    if (at != NULL) {
        at += strlen("Module ");
        at += strcspn(at, "0123456789\n");
        snprintf(version, sizeof(version), "%.*s",
                 (int)strspn(at, "0123456789."), at);
    }
    finding_put(f.why, "version %s", version);
    if (version[0] == '\0') {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why, "its version cannot be read");
    }
    text[strcspn(text, "\n")] = '\0';
    finding_put(f.evidence, "%.160s (%s)", text, path);
    doctor_report(doctor, &f);
}

static void check_cuda(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    char driver[16];
    char own[16];
    if (lacks_nvidia(doctor) || doctor_is_copy(doctor)) {
        return;
    }
    const struct nvml *nvml = nvml_of(doctor);
    if (nvml->cuda_version == 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "nothing tells which CUDA the driver knows");
        return;
    }
    rule_cuda_version(nvml->cuda_version, driver, sizeof(driver));
    rule_cuda_version(FEEDGPU_CUDA_VERSION, own, sizeof(own));
    finding_put(f.why, "the driver knows CUDA %s, feedgpu has %s", driver, own);
    enum cuda_match match =
        rule_cuda_match(FEEDGPU_CUDA_VERSION, nvml->cuda_version);
    if (match == CUDA_NONE) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why,
                    "the driver knows CUDA %s, but this feedgpu was built "
                    "without CUDA",
                    driver);
    } else if (match == CUDA_TOO_NEW) {
        f.verdict = VERDICT_FAIL;
        finding_put(f.fix, "update the driver, or build feedgpu with CUDA %s",
                    driver);
    }
    finding_put(f.evidence, "CUDA of the driver %u, of feedgpu %d",
                nvml->cuda_version, FEEDGPU_CUDA_VERSION);
    doctor_report(doctor, &f);
}

static void check_engines(struct doctor *doctor)
{
    if (lacks_nvidia(doctor) || doctor_is_copy(doctor)) {
        return;
    }
    const struct nvml *nvml = nvml_of(doctor);
    if (nvml->engine_count == 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "libcuda.so.1 does not tell of any device");
    }
    for (uint32_t i = 0; i < nvml->engine_count; i++) {
        const struct nvml_engines *engines = &nvml->engines[i];
        struct finding f = {.subject = engines->bus_id};
        f.verdict = engines->count > 0 ? VERDICT_PASS : VERDICT_FAIL;
        finding_put(f.why, "%d copy engines", engines->count);
        if (engines->count <= 0) {
            finding_put(f.why, "no copy engine: copies and kernels take turns");
        }
        finding_put(f.evidence, "asyncEngineCount=%d (libcuda.so.1)",
                    engines->count);
        doctor_report(doctor, &f);
    }
}

/* CUPTI's version: from CUDA 13.0 on MAJOR * 10000 + ..., before a count. */
#define CUPTI_NUMBERED 100000u

static void check_cupti(struct doctor *doctor)
{
    static const char *const names[] = {
        "libcupti.so",
        "libcupti.so.13",
        "libcupti.so.12",
        "/usr/local/cuda/lib64/libcupti.so",
        "/usr/local/cuda/extras/CUPTI/lib64/libcupti.so",
    };
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    void *library = NULL;
    uint32_t version = 0;
    if (lacks_nvidia(doctor) || doctor_is_copy(doctor)) {
        return;
    }
    for (size_t i = 0; library == NULL && i < sizeof(names) / sizeof(names[0]);
         i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (library == NULL) {
        doctor_say(doctor, NULL, VERDICT_INFO,
                   "no CUPTI: kernels of other programs cannot be traced");
        return;
    }
    int (*get)(uint32_t *) = NULL;
    void *found = dlsym(library, "cuptiGetVersion");
    memcpy(&get, &found, sizeof(get));
    if (get == NULL || get(&version) != 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, "it does not tell its age");
        dlclose(library);
        return;
    }
    uint32_t driver = nvml_of(doctor)->cuda_version;
    finding_put(f.why, "version %u", version);
    if (version >= CUPTI_NUMBERED && driver != 0 &&
        version / 10000 > driver / 1000) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "CUPTI of CUDA %u is newer than the driver: it "
                    "will refuse",
                    version / 10000);
        finding_put(f.fix, "update the driver, or use the CUPTI of CUDA %u",
                    driver / 1000);
    }
    finding_put(f.evidence, "cuptiGetVersion %u, CUDA of the driver %u",
                version, driver);
    doctor_report(doctor, &f);
    dlclose(library);
}

static void check_profiling(struct doctor *doctor)
{
    static const char path[] = "/proc/driver/nvidia/params";
    char text[32];
    if (lacks_nvidia(doctor)) {
        return;
    }
    if (!doctor_read_field(doctor, path, "RmProfilingAdminOnly", text,
                           sizeof(text))) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "%s does not tell who may profile", path);
    } else if (strcmp(text, "0") == 0) {
        doctor_say(doctor, NULL, VERDICT_PASS, "everyone may read counters");
    } else {
        doctor_say(doctor, NULL, VERDICT_INFO,
                   "only root may read the GPU's counters; tracing works for "
                   "everyone");
    }
}

static void check_gds(struct doctor *doctor)
{
    char text[128];
    if (lacks_nvidia(doctor)) {
        return;
    }
    bool is_loaded = doctor_has_gds(doctor);
    struct finding f = {.subject = NULL, .verdict = VERDICT_INFO};
    finding_put(
        f.why, is_loaded ? "nvidia-fs is loaded; feedgpu does not use it"
                         : "nvidia-fs is not loaded; feedgpu does not need it");
    if (doctor_read(doctor, "/proc/driver/nvidia-fs/version", text,
                    sizeof(text))) {
        finding_put(f.evidence, "%.100s (/proc/driver/nvidia-fs/version)",
                    text);
    } else {
        finding_put(f.evidence,
                    "/proc/driver/nvidia-fs, /sys/module/nvidia_fs"
                    "; /run/udev %s",
                    doctor_has(doctor, "/run/udev") ? "there" : "not there");
    }
    doctor_report(doctor, &f);
}

static const struct check checks[] = {
    {.name = "gpu-driver",
     .title = "GPU driver",
     .reads = "/proc/driver/nvidia/version, the GPUs that libnvidia-ml lists",
     .warns = "not loaded: INFO; a GPU does not answer it: FAIL",
     .run = check_driver},
    {.name = "gpu-cuda",
     .title = "CUDA",
     .reads = "the driver's CUDA version (libnvidia-ml, libcuda), and the one "
              "feedgpu was built with",
     .warns = "feedgpu's is of a newer major version: FAIL; none: INFO",
     .run = check_cuda},
    {.name = "gpu-copy-engines",
     .title = "Copy engines",
     .passed = "can copy while they compute",
     .reads = "the asynchronous engines of each device (libcuda)",
     .warns = "none: FAIL",
     .run = check_engines},
    {.name = "gpu-cupti",
     .title = "CUPTI",
     .reads = "cuptiGetVersion",
     .warns = "newer than the driver: WARN; none: INFO",
     .run = check_cupti},
    {.name = "gpu-profiling",
     .title = "Profiling",
     .reads = "RmProfilingAdminOnly in /proc/driver/nvidia/params",
     .warns = "only root may read counters: INFO",
     .run = check_profiling},
    {.name = "gpu-direct-storage",
     .title = "GPUDirect Storage",
     .reads = "/proc/driver/nvidia-fs, /sys/module/nvidia_fs, /run/udev",
     .warns = "always INFO",
     .run = check_gds},
};

const struct check_group driver_checks = {"GPU driver", checks,
                                          sizeof(checks) / sizeof(checks[0])};
