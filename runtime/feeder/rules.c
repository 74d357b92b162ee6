/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths programs look at. */
#include "runtime/feeder/feeder.h"

#include <string.h>

#include "runtime/base/error.h"

static const char *const system_folders[] = {FGI_SYSTEM_FOLDERS};

struct writer {
    char *at;
    size_t room;
};

static bool add_rule(struct writer *writer, char sign, const char *path,
                     size_t length)
{
    /* Sign, path, its NUL, and the NUL of the empty rule at the end. */
    if (length + 3 > writer->room) {
        return false;
    }
    writer->at[0] = sign;
    memcpy(writer->at + 1, path, length);
    writer->at[length + 1] = '\0';
    writer->at += length + 2;
    writer->room -= length + 2;
    return true;
}

/* A glob's part in front of its first wildcard. */
static size_t plain_length(const char *glob)
{
    return strcspn(glob, "*?[\\");
}

enum fg_status fgi_rules_write(char rules[FGI_BOARD_RULES_BYTES],
                               const char *const *globs, uint32_t glob_count,
                               struct fg_error *err)
{
    struct writer writer = {rules, FGI_BOARD_RULES_BYTES};
    const size_t count = sizeof(system_folders) / sizeof(system_folders[0]);

    memset(rules, 0, FGI_BOARD_RULES_BYTES);
    for (uint32_t i = 0; i < glob_count; i++) {
        if (globs[i][0] != '/') {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "feeder: data: \"%s\": wanted an absolute path",
                            globs[i]);
        }
        if (!add_rule(&writer, '+', globs[i], plain_length(globs[i]))) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "feeder: data: got globs of more than %u bytes",
                            FGI_BOARD_RULES_BYTES);
        }
    }
    if (glob_count > 0) {
        (void)add_rule(&writer, '-', "/", 1);
        return FG_OK;
    }
    for (size_t i = 0; i < count; i++) {
        (void)add_rule(&writer, '-', system_folders[i],
                       strlen(system_folders[i]));
    }
    return FG_OK;
}
