/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a loader for cat and bench. */
#include "session.h"

#include "report.h"
#include "signals.h"

static void print_log(enum fg_log_level level, const char *line, void *context)
{
    (void)level;
    (void)context;
    complain("%s", line);
}

static bool check_rank(const struct options *options)
{
    if (options->loader.rank < options->loader.world_size) {
        return true;
    }
    complain("--rank: got %u, wanted less than --world-size, which is %u%s%s",
             (unsigned)options->loader.rank,
             (unsigned)options->loader.world_size,
             options->rank_source ? ", with a launcher's " : "",
             options->rank_source ? options->rank_source : "");
    return false;
}

int session_open(const struct options *options, struct fg_device *device,
                 struct fg_loader **loader)
{
    struct fg_loader_config config = options->loader;
    struct fg_loader_state state;
    struct fg_error err;
    if (!check_rank(options)) {
        return STATUS_USAGE;
    }
    config.dataset = options->operands[0];
    config.use_device = device;
    if (options->numa_strict) {
        config.flags |= FG_LOADER_NUMA_STRICT;
    }
    if (options->load_state_path != NULL) {
        if (!state_load(options->load_state_path, &state)) {
            return STATUS_FAILED;
        }
        config.state = &state;
    }
    if (options->verbose) {
        config.log = print_log;
    }
    if (fg_loader_open(&config, loader, &err) != FG_OK) {
        return complain_error(&err);
    }
    signals_watch(*loader);
    return STATUS_DONE;
}

void session_close(struct fg_loader *loader)
{
    signals_watch(NULL);
    fg_loader_close(loader);
}

bool session_save_state(const struct options *options,
                        const struct fg_loader *loader)
{
    struct fg_loader_state state;
    if (options->save_state_path == NULL) {
        return true;
    }
    fg_loader_get_state(loader, &state);
    return state_save(options->save_state_path, &state);
}
