/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rank and world size as the launchers pass them on. A pair counts only when
 * both of its variables are set; --rank and --world-size win over it.
 */
#include <stdlib.h>

#include "options.h"
#include "report.h"
#include "value.h"

struct launcher {
    const char *rank;  /* variable's name */
    const char *world; /* variable's name */
};

static const struct launcher launchers[] = {
    {"RANK", "WORLD_SIZE"},                           /* torchrun */
    {"SLURM_PROCID", "SLURM_NTASKS"},                 /* srun */
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, /* mpirun */
};

static bool read_variable(const char *name, uint64_t min, uint32_t *value)
{
    const struct option number = {name, 0, OPTION_U32, 0,   "N",
                                  min,  0, NULL,       NULL};
    char wanted[VALUE_WANTED_BYTES];
    const char *text = getenv(name);
    if (value_parse(&number, text, value, wanted)) {
        return true;
    }
    complain("environment: %s: got '%s', wanted %s", name, text, wanted);
    return false;
}

bool launcher_read(struct options *options)
{
    for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++) {
        const struct launcher *launcher = &launchers[i];
        if (getenv(launcher->rank) == NULL || getenv(launcher->world) == NULL) {
            continue;
        }
        options->rank_source = launcher->rank;
        return read_variable(launcher->rank, 0, &options->loader.rank) &&
               read_variable(launcher->world, 1, &options->loader.world_size);
    }
    return true;
}
