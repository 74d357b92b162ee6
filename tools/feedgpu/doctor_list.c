/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `feedgpu doctor --checks`: the checks, what each reads and when it warns,
 * from the tables that are run. docs/doctor.md is tested against it.
 */
#include "doctor.h"
#include "json.h"
#include "report.h"

static void emit_check(const struct check_group *group,
                       const struct check *check)
{
    json_t *object = json_begin("check_info");
    json_put_text(object, "group", group->title);
    json_put_text(object, "check", check->name);
    json_put_text(object, "title", check->title);
    json_put_text(object, "reads", check->reads);
    json_put_text(object, "warns", check->warns);
    json_emit(object);
}

static void put_text(const char *label, const char *text)
{
    put_format("    %s", label);
    doctor_put_wrapped(text, 11, 11);
}

static void put_check(const struct check *check)
{
    put_format("  %s\n", check->name);
    put_text("reads: ", check->reads);
    put_text("tells: ", check->warns);
}

void doctor_list(bool is_json)
{
    for (size_t i = 0; doctor_groups[i] != NULL; i++) {
        const struct check_group *group = doctor_groups[i];
        if (!is_json) {
            put_format("%s%s\n", i > 0 ? "\n" : "", group->title);
        }
        for (uint32_t k = 0; k < group->count; k++) {
            if (is_json) {
                emit_check(group, &group->checks[k]);
            } else {
                put_check(&group->checks[k]);
            }
        }
    }
}
