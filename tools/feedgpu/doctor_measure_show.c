/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor --measure prints: tables as text, measurements as JSON lines. */
#include <stdio.h>

#include "doctor_measure.h"
#include "json.h"
#include "report.h"
#include "size.h"

const char *node_text(int32_t node, char *text)
{
    if (node < 0) {
        snprintf(text, NODE_TEXT_BYTES, "any node");
    } else {
        snprintf(text, NODE_TEXT_BYTES, "node %d", node);
    }
    return text;
}

/* "55.0 (1 %)", or "-". */
static void put_cell(const struct cell *cell, int width)
{
    char text[48] = "-";
    if (cell->status == FG_OK) {
        snprintf(text, sizeof(text), "%.1f (%.0f %%)",
                 cell->rate.bytes_per_s / 1e9,
                 rule_spread_percent(&cell->rate));
    }
    put_format("%*s", width, text);
}

/* The first cell that holds a rate speaks for all. */
static const struct fg_rate *first_rate(const struct cell *cells,
                                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].status == FG_OK) {
            return &cells[i].rate;
        }
    }
    return NULL;
}

static void put_method(const struct fg_rate *rate, const char *what)
{
    char bytes[SIZE_TEXT_BYTES];
    put_format(
        "  median of %u rounds of %s, in brackets their spread;\n  %s\n\n",
        rate->rounds, size_format(rate->bytes, bytes), what);
}

void show_memory(const struct measured *measured)
{
    const struct fg_rate *rate = first_rate(
        measured->memory, measured->cpu_count * measured->memory_count);
    char name[NODE_TEXT_BYTES];
    put_format("Memory read, GB/s: CPUs of (row), memory of (column)\n  %-10s",
               "");
    for (uint32_t column = 0; column < measured->memory_count; column++) {
        put_format("%14s", node_text(measured->memory_nodes[column], name));
    }
    put_format("\n");
    for (uint32_t row = 0; row < measured->cpu_count; row++) {
        put_format("  %-10s", node_text(measured->cpu_nodes[row], name));
        for (uint32_t column = 0; column < measured->memory_count; column++) {
            put_cell(&measured->memory[row * measured->memory_count + column],
                     14);
        }
        put_format("\n");
    }
    if (rate != NULL) {
        char what[96];
        char bytes[SIZE_TEXT_BYTES];
        snprintf(what, sizeof(what), "%u threads, %s of caches", rate->workers,
                 rate->cache_bytes > 0 ? size_format(rate->cache_bytes, bytes)
                                       : "an unknown size");
        put_method(rate, what);
    } else {
        put_format("\n");
    }
}

static void put_share(const struct cell *cell)
{
    char text[16] = "?";
    if (cell->status == FG_OK && cell->share >= 0) {
        snprintf(text, sizeof(text), "%.0f %%", 100 * cell->share);
    }
    put_format("%7s", text);
}

static bool any_is_emulated(const struct measured *measured)
{
    for (uint32_t i = 0; i < measured->target_count; i++) {
        if (target_is_emulated(&measured->targets[i])) {
            return true;
        }
    }
    return false;
}

void show_copies(const struct measured *measured)
{
    const struct fg_rate *rate = NULL;
    char name[NODE_TEXT_BYTES];
    put_format("Copies to the GPU, GB/s: memory of (row), GPU (column)\n"
               "  %-10s",
               "");
    for (uint32_t i = 0; i < measured->target_count; i++) {
        const struct target *target = &measured->targets[i];
        put_format(" %20s", target->info.bus_id[0] != '\0' ? target->info.bus_id
                                                           : target->name);
        if (rate == NULL) {
            rate = first_rate(target->cells, measured->memory_count);
        }
    }
    put_format("\n");
    for (uint32_t row = 0; row < measured->memory_count; row++) {
        put_format("  %-10s", node_text(measured->memory_nodes[row], name));
        for (uint32_t i = 0; i < measured->target_count; i++) {
            put_cell(&measured->targets[i].cells[row], 14);
            put_share(&measured->targets[i].cells[row]);
        }
        put_format("\n");
    }
    if (any_is_emulated(measured)) {
        put_format("  emulated: these are its profile's numbers, nothing was "
                   "copied\n");
    }
    if (rate != NULL) {
        put_method(rate,
                   "behind it the share of what the link carries in practice");
    } else {
        put_format("\n");
    }
}

void show_disk(const struct cell *cells, const char *path)
{
    static const char *const orders[] = {"in sequence", "at random"};
    put_format("Disk reads, GB/s: %s\n", path);
    for (int i = 0; i < 2; i++) {
        put_format("  %-11s", orders[i]);
        put_cell(&cells[i], 14);
        put_format("\n");
    }
    if (cells[0].status == FG_OK) {
        char what[96];
        snprintf(what, sizeof(what), "1 MiB each, %u under way, %s%s",
                 cells[0].rate.workers, cells[0].rate.engine,
                 (cells[0].rate.flags & FG_RATE_DIRECT) != 0
                     ? ", O_DIRECT"
                     : ", through the page cache");
        put_method(&cells[0].rate, what);
    } else {
        put_format("\n");
    }
}

/* What every measurement has; a rate that there is not is null. */
static json_t *begin(const char *what, const struct cell *cell)
{
    json_t *object = json_begin("measure");
    bool is_good = cell->status == FG_OK;
    json_put_text(object, "kind", "measure");
    json_put_text(object, "what", what);
    if (!is_good) {
        json_object_set_new(object, "bytes_per_s", json_null());
        json_put_text(object, "error", cell->why);
        return object;
    }
    json_put_real(object, "bytes_per_s", cell->rate.bytes_per_s);
    json_put_real(object, "bytes_per_s_min", cell->rate.bytes_per_s_min);
    json_put_real(object, "bytes_per_s_max", cell->rate.bytes_per_s_max);
    json_put_count(object, "rounds", cell->rate.rounds);
    json_put_count(object, "round_bytes", cell->rate.bytes);
    return object;
}

static void put_node(json_t *object, const char *key, int32_t node)
{
    json_object_set_new(object, key,
                        node < 0 ? json_null() : json_integer(node));
}

static void put_pages(json_t *object, const struct cell *cell)
{
    if (cell->status == FG_OK) {
        json_put_count(object, "pages", cell->rate.pages);
        json_put_count(object, "pages_on_node", cell->rate.pages_on_node);
        json_put_count(object, "page_bytes", cell->rate.page_bytes);
        json_put_text(object, "page_kind", cell->rate.page_kind);
        json_put_text(object, "verified_by", cell->rate.verified_by);
    }
}

void emit_memory(const struct cell *cell, int32_t cpu_node, int32_t memory_node)
{
    json_t *object = begin("memory", cell);
    put_node(object, "cpu_node", cpu_node);
    put_node(object, "memory_node", memory_node);
    if (cell->status == FG_OK) {
        json_put_count(object, "threads", cell->rate.workers);
        json_put_count(object, "cache_bytes", cell->rate.cache_bytes);
    }
    put_pages(object, cell);
    json_emit(object);
}

void emit_copy(const struct target *target, const struct cell *cell,
               int32_t memory_node)
{
    json_t *object = begin("copy", cell);
    put_node(object, "memory_node", memory_node);
    json_put_text(object, "device", target->name);
    json_put_text(object, "bus_id", target->info.bus_id);
    json_object_set_new(object, "emulated",
                        json_boolean(target_is_emulated(target)));
    put_node(object, "home_node", target->home.node);
    json_object_set_new(object, "limit_bytes_per_s",
                        target->limit_bytes_per_s > 0
                            ? json_real(target->limit_bytes_per_s)
                            : json_null());
    json_object_set_new(object, "share",
                        cell->status == FG_OK && cell->share >= 0
                            ? json_real(cell->share)
                            : json_null());
    json_object_set_new(object, "link_gt_per_s",
                        target->speed_mts > 0
                            ? json_real((double)target->speed_mts / 1000)
                            : json_null());
    put_pages(object, cell);
    json_emit(object);
}

void emit_disk(const struct cell *cell, const char *path, const char *order)
{
    json_t *object = begin("disk", cell);
    json_put_text(object, "path", path);
    json_put_text(object, "order", order);
    if (cell->status == FG_OK) {
        json_put_count(object, "reads_under_way", cell->rate.workers);
        json_put_text(object, "engine", cell->rate.engine);
        json_object_set_new(
            object, "direct",
            json_boolean((cell->rate.flags & FG_RATE_DIRECT) != 0));
    }
    json_emit(object);
}
