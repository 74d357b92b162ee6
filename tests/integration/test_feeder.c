/* SPDX-License-Identifier: Apache-2.0 */
/* A feeder with a client that plays the shim's part, on real files. */
#include "tests/lib/feeder_fixture.h"

static void read_twice_is_served_from_memory(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;

    feed_file(fixture, "a", FGI_MIB(24) + 1234);
    client_open(&fixture->client, &file, "a");
    feed_settle(fixture);
    feed_read_all(fixture, &file, FGI_KIB(256));
    feed_wait_blocks(fixture, &file);
    fixture->client.arena_bytes = fixture->client.kernel_bytes = 0;
    feed_read_all(fixture, &file, FGI_KIB(256));
    assert_int_equal(fixture->client.kernel_bytes, 0);
    assert_int_equal(fixture->client.arena_bytes, FGI_MIB(24) + 1234);
    assert_int_equal(fixture->client.hung, 0);
    client_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(read_twice_is_served_from_memory),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
