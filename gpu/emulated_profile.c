/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated device's numbers: built-in profiles and custom ones.
 *
 * HtoD rates are what pinned copies were measured at, not what the link could
 * carry in theory; 87-88 % of the payload ceiling is usual. The fixed cost of
 * a copy, 2.3 us, is what a cudaMemcpyAsync call was measured at beyond the
 * time its bytes take (1 MiB then runs at 89 % of the rate on Gen5).
 */
#include <stdio.h>
#include <string.h>

#include "gpu/emulated.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

#define COPY_LATENCY_NS UINT64_C(2300)
#define NO_PLACE                                                               \
    {                                                                          \
        -1, ""                                                                 \
    }
#define WANTED "h100, a100, b200 or copy=GB/s,latency=US,node=N,bus=ID"

static const struct fgi_emulated_profile profiles[] = {
    /*
     * PCIe Gen5 x16: 54.8 GB/s on H100 (vpbenchmarking), 55.4 on 8x H200
     * (ml-engineering, nvbandwidth, spread 0.10), 55.6 (NVIDIA blog).
     */
    {"h100", 55e9, COPY_LATENCY_NS, FGI_GIB(80), NO_PLACE},
    /* PCIe Gen4 x16: 26.0 GB/s (nvbandwidth README), 25.1 on A100. */
    {"a100", 26e9, COPY_LATENCY_NS, FGI_GIB(80), NO_PLACE},
    /*
     * Its boards hang off PCIe Gen5 x16, so the h100's rate; no published
     * measurement of a pinned copy was found. 180 GB of memory each.
     */
    {"b200", 55e9, COPY_LATENCY_NS, UINT64_C(180000000000), NO_PLACE},
};

uint64_t fgi_emulated_copy_ns(const struct fgi_emulated_profile *profile,
                              size_t bytes)
{
    double seconds = (double)bytes / profile->copy_bytes_per_s;

    return profile->latency_ns + (uint64_t)(seconds * 1e9 + 0.5);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * A decimal number such as "55" or "2.5". Not strtod, which reads it
 * differently in another locale. False unless all of the text is one.
 */
static bool parse_number(const char *text, size_t length, double *number)
{
    double value = 0;
    double scale = 0; /* of the next digit behind the point; 0: before it */
    size_t digits = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && scale == 0) {
            scale = 0.1;
        } else if (!is_digit(text[i])) {
            return false;
        } else if (scale == 0) {
            value = value * 10 + (text[i] - '0');
            digits++;
        } else {
            value += scale * (text[i] - '0');
            scale /= 10;
            digits++;
        }
    }
    *number = value;
    return digits > 0 && digits <= 15;
}

/* One "key=value" or name: `length` bytes of the spec. */
struct item {
    const char *text;
    size_t length;
};

static bool is_key(const struct item *item, const char *key, struct item *value)
{
    size_t length = strlen(key);

    if (item->length <= length || item->text[length] != '=' ||
        strncmp(item->text, key, length) != 0) {
        return false;
    }
    value->text = item->text + length + 1;
    value->length = item->length - length - 1;
    return true;
}

static enum fg_status fail_value(const struct item *item, const char *wanted,
                                 struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "device emulated: profile: got \"%.*s\", wanted %s",
                    (int)fgi_min(item->length, 64), item->text, wanted);
}

static enum fg_status apply_item(const struct item *item,
                                 struct fgi_emulated_profile *profile,
                                 struct fg_error *err)
{
    struct item value;
    double number = 0;

    if (is_key(item, "copy", &value)) {
        if (!parse_number(value.text, value.length, &number) || number < 1e-3 ||
            number > 1e5) {
            return fail_value(item, "copy=GB/s from 0.001 to 100000", err);
        }
        profile->copy_bytes_per_s = number * 1e9;
    } else if (is_key(item, "latency", &value)) {
        if (!parse_number(value.text, value.length, &number) || number > 1e6) {
            return fail_value(item, "latency=US from 0 to 1000000", err);
        }
        profile->latency_ns = (uint64_t)(number * (double)FGI_NS_PER_US);
    } else {
        bool is_place;
        enum fg_status status =
            fgi_place_parse(&profile->place, "emulated", item->text,
                            item->length, &is_place, err);

        return status != FG_OK || is_place ? status
                                           : fail_value(item, WANTED, err);
    }
    return FG_OK;
}

static bool is_profile(const struct item *item, size_t i)
{
    return strlen(profiles[i].name) == item->length &&
           strncmp(profiles[i].name, item->text, item->length) == 0;
}

/* The profile an item names, or NULL. */
static const struct fgi_emulated_profile *find(const struct item *item)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (is_profile(item, i)) {
            return &profiles[i];
        }
    }
    return NULL;
}

enum fg_status fgi_emulated_profile_parse(const char *spec,
                                          struct fgi_emulated_profile *profile,
                                          struct fg_error *err)
{
    struct item item = {.text = spec, .length = strcspn(spec, ",")};
    const struct fgi_emulated_profile *named = find(&item);
    struct fgi_emulated_profile made = named != NULL ? *named : profiles[0];
    enum fg_status status = FG_OK;
    bool is_more = spec[0] != '\0';

    if (named != NULL) {
        is_more = item.text[item.length] == ',';
        item.text += item.length + (is_more ? 1 : 0);
    }
    if (is_more) {
        snprintf(made.name, sizeof(made.name), "%s", spec);
    }
    while (is_more && status == FG_OK) {
        item.length = strcspn(item.text, ",");
        status = apply_item(&item, &made, err);
        is_more = item.text[item.length] == ',';
        item.text += item.length + (is_more ? 1 : 0);
    }
    if (status == FG_OK) {
        *profile = made;
    }
    return status;
}
