/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain files as a source.
 *
 * All files lie one after another in an imagined stream, with a separator byte
 * between two of them if there is one. A sample is a piece of that stream:
 * a whole file, a record of a file, or with --join a record of the stream.
 * A reader keeps one file open and a window of the stream in memory, so that
 * neighbouring samples cost a memory copy and not a system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack.h"
#include "report.h"

#define WINDOW_BYTES (UINT64_C(1) << 20)

struct pack_reader {
    const struct pack_source *source;
    uint8_t *window;       /* owned: bytes of the stream */
    uint64_t room_bytes;   /* of window */
    uint64_t window_start; /* where in the stream the window begins */
    uint64_t window_bytes; /* that are filled */
    int fd;                /* of the open file, or -1 */
    size_t file_index;     /* which it is */
};

/* ---- what the samples are ---- */

static uint64_t separator_bytes(const struct pack_source *source)
{
    return source->separator == NO_SEPARATOR ? 0 : 1;
}

/* Records in a run of bytes, and the bytes left behind the last one. */
static uint64_t count_records(const struct pack_source *source, uint64_t bytes,
                              uint64_t *tail_bytes)
{
    if (bytes < source->record_bytes) {
        *tail_bytes = bytes;
        return 0;
    }
    uint64_t more = (bytes - source->record_bytes) / source->stride_bytes;
    uint64_t covered = more * source->stride_bytes + source->record_bytes;
    *tail_bytes = bytes - covered;
    return more + 1;
}

static bool fail_tail(const struct pack_source *source, const char *name,
                      uint64_t bytes, uint64_t tail_bytes)
{
    char stride[48] = "";
    if (source->stride_bytes != source->record_bytes) {
        snprintf(stride, sizeof(stride), " every %" PRIu64,
                 source->stride_bytes);
    }
    complain("%s: got %" PRIu64 " bytes, wanted whole records of %" PRIu64
             " bytes%s: %" PRIu64 " bytes are left over (likely cause: wrong "
             "--record-bytes; --tail drop leaves them out)",
             name, bytes, source->record_bytes, stride, tail_bytes);
    return false;
}

/* Lay the files into the stream and number the samples of each. */
static bool number_samples(struct pack_source *source, bool is_dropping)
{
    const struct inputs *inputs = source->inputs;
    uint64_t start = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        uint64_t bytes = inputs->files[i].size;
        uint64_t tail_bytes = 0;
        source->starts[i] = start;
        source->firsts[i] = source->sample_count;
        start += bytes + separator_bytes(source);
        if (source->is_joined) {
            continue;
        }
        source->sample_count += source->record_bytes == 0
                                    ? 1
                                    : count_records(source, bytes, &tail_bytes);
        if (tail_bytes > 0 && !is_dropping) {
            return fail_tail(source, inputs->files[i].path, bytes, tail_bytes);
        }
        source->dropped_bytes += tail_bytes;
    }
    source->starts[inputs->count] = start;
    if (source->is_joined) {
        source->sample_count =
            count_records(source, start, &source->dropped_bytes);
        if (source->dropped_bytes > 0 && !is_dropping) {
            return fail_tail(source, "all inputs joined", start,
                             source->dropped_bytes);
        }
    }
    source->firsts[inputs->count] = source->sample_count;
    return true;
}

/* Size of the largest file, once all are known to be whole elements. */
static bool find_largest(const struct pack_source *source, enum fg_dtype dtype,
                         uint64_t *max_bytes)
{
    uint64_t element_bytes = fg_dtype_bytes(dtype);
    *max_bytes = 0;
    for (size_t i = 0; i < source->inputs->count; i++) {
        const struct input_file *file = &source->inputs->files[i];
        if (file->size % element_bytes != 0) {
            complain("%s: got %" PRIu64 " bytes, wanted a multiple of %" PRIu64
                     ", the size of %s",
                     file->path, file->size, element_bytes,
                     fg_dtype_name(dtype));
            return false;
        }
        *max_bytes = file->size > *max_bytes ? file->size : *max_bytes;
    }
    return true;
}

/* Declare the one field, "data". */
static bool declare_field(struct pack_source *source, enum fg_dtype dtype)
{
    struct fg_field *field = &source->fields[0];
    uint64_t element_bytes = fg_dtype_bytes(dtype);
    uint64_t max_bytes = source->record_bytes;
    if (max_bytes == 0 && !find_largest(source, dtype, &max_bytes)) {
        return false;
    }
    if (max_bytes % element_bytes != 0) {
        complain("pack: --record-bytes: got %" PRIu64 ", wanted a multiple of "
                 "%" PRIu64 ", the size of %s",
                 max_bytes, element_bytes, fg_dtype_name(dtype));
        return false;
    }
    snprintf(field->name, sizeof(field->name), "data");
    field->dtype = dtype;
    field->flags = source->record_bytes == 0 ? FG_FIELD_VARIABLE : 0;
    field->dims = 1;
    field->shape[0] = max_bytes / element_bytes;
    field->max_bytes = max_bytes;
    source->field_count = 1;
    return true;
}

/* Where sample `index` lies in the stream. */
static void locate(const struct pack_source *source, uint64_t index,
                   uint64_t *start, uint64_t *bytes)
{
    if (source->record_bytes == 0) {
        *start = source->starts[index];
        *bytes = source->inputs->files[index].size;
        return;
    }
    *bytes = source->record_bytes;
    if (source->is_joined) {
        *start = index * source->stride_bytes;
        return;
    }
    size_t file = pack_find(source->firsts, source->inputs->count, index);
    *start = source->starts[file] +
             (index - source->firsts[file]) * source->stride_bytes;
}

static bool files_size(struct pack_source *source, uint64_t index,
                       uint64_t *bytes)
{
    uint64_t start;
    locate(source, index, &start, bytes);
    return true;
}

/* ---- reading the stream ---- */

static struct pack_reader *files_open(const struct pack_source *source)
{
    struct pack_reader *reader = calloc(1, sizeof(*reader));
    if (reader != NULL) {
        reader->source = source;
        reader->fd = -1;
    }
    return reader;
}

static void files_close(struct pack_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->fd >= 0) {
        close(reader->fd);
    }
    free(reader->window);
    free(reader);
}

static enum fg_status fail_errno(struct fg_error *err, const char *path,
                                 const char *action, int reason)
{
    err->status = FG_ERR_READ;
    err->sys_errno = reason;
    err->offset = UINT64_MAX;
    snprintf(err->message, sizeof(err->message), "%s: %s: %s", path, action,
             strerror(reason));
    return err->status;
}

static enum fg_status fail_changed(struct fg_error *err,
                                   const struct input_file *file,
                                   uint64_t offset)
{
    err->status = FG_ERR_CHANGED;
    err->sys_errno = 0;
    err->offset = offset;
    snprintf(err->message, sizeof(err->message),
             "%s: read: got %" PRIu64 " bytes, wanted %" PRIu64 " (likely "
             "cause: the file changed while it was packed)",
             file->path, offset, file->size);
    return err->status;
}

static enum fg_status use_file(struct pack_reader *reader, size_t index,
                               struct fg_error *err)
{
    if (reader->fd >= 0 && reader->file_index == index) {
        return FG_OK;
    }
    const char *path = reader->source->inputs->files[index].path;
    if (reader->fd >= 0) {
        close(reader->fd);
    }
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    reader->file_index = index;
    struct stat info;
    if (reader->fd < 0 || fstat(reader->fd, &info) != 0) {
        return fail_errno(err, path, "open", errno);
    }
    const struct input_file *file = &reader->source->inputs->files[index];
    if ((uint64_t)info.st_size != file->size) {
        return fail_changed(err, file, (uint64_t)info.st_size);
    }
    return FG_OK;
}

/* Read bytes of one file. `count` stays inside it. */
static enum fg_status read_file(struct pack_reader *reader, size_t index,
                                uint64_t offset, uint8_t *to, uint64_t count,
                                struct fg_error *err)
{
    const struct input_file *file = &reader->source->inputs->files[index];
    enum fg_status status = use_file(reader, index, err);
    while (status == FG_OK && count > 0) {
        ssize_t got = pread(reader->fd, to, count, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_errno(err, file->path, "read", errno);
        }
        if (got == 0) {
            return fail_changed(err, file, offset);
        }
        to += got;
        offset += (uint64_t)got;
        count -= (uint64_t)got;
    }
    return status;
}

/* Read [start, start + count) of the stream, across files. */
static enum fg_status read_stream(struct pack_reader *reader, uint64_t start,
                                  uint8_t *to, uint64_t count,
                                  struct fg_error *err)
{
    const struct pack_source *source = reader->source;
    size_t index = pack_find(source->starts, source->inputs->count, start);
    while (count > 0) {
        uint64_t size = source->inputs->files[index].size;
        uint64_t offset = start - source->starts[index];
        uint64_t part = offset < size ? size - offset : 0;
        part = part < count ? part : count;
        if (part > 0) {
            enum fg_status status =
                read_file(reader, index, offset, to, part, err);
            if (status != FG_OK) {
                return status;
            }
        }
        start += part;
        to += part;
        count -= part;
        if (count > 0 && separator_bytes(source) > 0) {
            *to++ = (uint8_t)source->separator;
            start++;
            count--;
        }
        index++;
    }
    return FG_OK;
}

/* Make the window hold the stream from `start` on, `need` bytes at least. */
static enum fg_status move_window(struct pack_reader *reader, uint64_t start,
                                  uint64_t need, struct fg_error *err)
{
    const struct pack_source *source = reader->source;
    uint64_t left = source->starts[source->inputs->count] - start;
    uint64_t want = need > WINDOW_BYTES ? need : WINDOW_BYTES;
    want = source->record_bytes == 0 ? need : want;
    want = want < left ? want : left;
    if (want > reader->room_bytes) {
        uint64_t room = want > WINDOW_BYTES ? want : WINDOW_BYTES;
        free(reader->window);
        reader->room_bytes = 0;
        reader->window_bytes = 0;
        reader->window = malloc(room);
        if (reader->window == NULL) {
            return fail_errno(err, "a sample", "allocate", ENOMEM);
        }
        reader->room_bytes = room;
    }
    enum fg_status status =
        read_stream(reader, start, reader->window, want, err);
    reader->window_start = start;
    reader->window_bytes = status == FG_OK ? want : 0;
    return status;
}

static enum fg_status files_read(struct pack_reader *reader, uint64_t index,
                                 struct pack_sample *sample,
                                 struct fg_error *err)
{
    uint64_t start;
    uint64_t bytes;
    locate(reader->source, index, &start, &bytes);
    bool is_inside =
        start >= reader->window_start &&
        start + bytes <= reader->window_start + reader->window_bytes;
    if (!is_inside) {
        enum fg_status status = move_window(reader, start, bytes, err);
        if (status != FG_OK) {
            return status;
        }
    }
    sample->fields[0] = bytes > 0
                            ? reader->window + (start - reader->window_start)
                            : (const uint8_t *)"";
    sample->lengths[0] = bytes;
    return FG_OK;
}

static void files_fini(struct pack_source *source)
{
    (void)source;
}

static const struct pack_source_ops files_ops = {
    .size = files_size,
    .open = files_open,
    .read = files_read,
    .close = files_close,
    .fini = files_fini,
};

bool pack_files_init(struct pack_source *source, const struct options *options)
{
    const struct fg_dataset_config *config = &options->loader.dataset_config;
    size_t entries = source->inputs->count + 1;
    bool is_dropping = options->pack.tail == TAIL_DROP ||
                       (options->pack.tail == TAIL_AUTO && options->pack.join);
    source->ops = &files_ops;
    source->record_bytes = config->record_bytes;
    source->stride_bytes =
        config->stride_bytes ? config->stride_bytes : config->record_bytes;
    source->fixed_bytes = config->record_bytes;
    source->is_joined = options->pack.join;
    source->separator = options->pack.separator;
    source->starts = calloc(entries, sizeof(*source->starts));
    source->firsts = calloc(entries, sizeof(*source->firsts));
    if (source->starts == NULL || source->firsts == NULL) {
        complain("out of memory");
        return false;
    }
    return declare_field(source, config->dtype) &&
           number_samples(source, is_dropping);
}
