/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loader's state as a JSON file. Integers that may need all 64 bits are
 * written as text, because JSON readers keep only 53 or 63 of them. The file
 * is written under a temporary name and renamed: it is the old one or the new
 * one, never half of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "report.h"
#include "session.h"

#define STATE_TYPE "loader_state"

struct state_key {
    const char *name;
    size_t offset; /* of a uint64_t in struct fg_loader_state */
};

#define KEY(member)                                                            \
    {                                                                          \
#member, offsetof(struct fg_loader_state, member)                      \
    }

static const struct state_key state_keys[] = {
    KEY(identity), KEY(seed),           KEY(epoch),
    KEY(position), KEY(window_samples), KEY(block_samples),
};

#define KEY_COUNT (sizeof(state_keys) / sizeof(state_keys[0]))

static bool read_key(const json_t *object, const struct state_key *key,
                     struct fg_loader_state *state)
{
    const char *text = json_string_value(json_object_get(object, key->name));
    char *end;
    if (text == NULL) {
        return false;
    }
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    memcpy((char *)state + key->offset, &value, sizeof(value));
    return errno == 0 && *text != '\0' && *end == '\0';
}

static bool read_object(const char *path, const json_t *object,
                        struct fg_loader_state *state)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!read_key(object, &state_keys[i], state)) {
            complain("%s: %s: missing or no number in quotes (likely cause: "
                     "not a file that --save-state wrote)",
                     path, state_keys[i].name);
            return false;
        }
    }
    const json_t *shuffle = json_object_get(object, "shuffle");
    const json_t *version = json_object_get(object, "version");
    if (!json_is_integer(shuffle) || !json_is_integer(version)) {
        complain("%s: shuffle or version: missing (likely cause: not a file "
                 "that --save-state wrote)",
                 path);
        return false;
    }
    state->shuffle = (uint32_t)json_integer_value(shuffle);
    state->version = (uint32_t)json_integer_value(version);
    return true;
}

bool state_load(const char *path, struct fg_loader_state *state)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        complain("%s: open: %s", path, strerror(errno));
        return false;
    }
    json_error_t reason;
    json_t *object = json_loadf(file, 0, &reason);
    fclose(file);
    if (object == NULL) {
        complain("%s: line %d: no JSON: %s", path, reason.line, reason.text);
        return false;
    }
    memset(state, 0, sizeof(*state));
    bool is_good = read_object(path, object, state);
    json_decref(object);
    return is_good;
}

static bool write_file(FILE *file, const json_t *object)
{
    bool is_good = json_dumpf(object, file, JSON_INDENT(2)) == 0 &&
                   fputc('\n', file) != EOF && fflush(file) == 0 &&
                   fsync(fileno(file)) == 0;
    int reason = errno;
    is_good = fclose(file) == 0 && is_good;
    errno = reason;
    return is_good;
}

static bool write_renamed(const char *path, const json_t *object)
{
    char *temporary;
    if (asprintf(&temporary, "%s.tmp-%ld", path, (long)getpid()) < 0) {
        return false;
    }
    FILE *file = fopen(temporary, "we");
    bool is_good = file != NULL && write_file(file, object) &&
                   rename(temporary, path) == 0;
    int reason = errno;
    if (!is_good && file != NULL) {
        unlink(temporary);
    }
    free(temporary);
    errno = reason;
    return is_good;
}

bool state_save(const char *path, const struct fg_loader_state *state)
{
    json_t *object = json_begin(STATE_TYPE);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        char text[24];
        uint64_t value;
        memcpy(&value, (const char *)state + state_keys[i].offset,
               sizeof(value));
        snprintf(text, sizeof(text), "%" PRIu64, value);
        json_put_text(object, state_keys[i].name, text);
    }
    json_put_count(object, "shuffle", state->shuffle);
    json_put_count(object, "version", state->version);
    bool is_good = write_renamed(path, object);
    if (!is_good) {
        complain("%s: write: %s", path, strerror(errno));
    }
    json_decref(object);
    return is_good;
}
