/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's promise is that no notify is lost, whatever the timing: two
 * threads play ping-pong and many wait for one, so that a single lost wake-up
 * hangs the test (and ctest's limit fails it).
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/thread.h"

#define ROUNDS 20000
#define WAITERS 6

/* Two gates and whose turn it is. */
struct game {
    struct fgi_gate gate[2]; /* moved when turn becomes that player's */
    _Atomic uint64_t turn;   /* rounds played; even: player 0 */
    uint64_t payload;        /* plain: the turn must publish it */
};

static void wait_for_turn(struct game *game, uint64_t turn)
{
    struct fgi_gate *gate = &game->gate[turn % 2];

    for (;;) {
        uint32_t seen = fgi_gate_read(gate);

        if (atomic_load(&game->turn) >= turn) {
            return;
        }
        fgi_gate_wait(gate, seen, FGI_NEVER);
    }
}

static void play(struct game *game, uint64_t player)
{
    for (uint64_t turn = player; turn < ROUNDS; turn += 2) {
        wait_for_turn(game, turn);
        if (game->payload != turn) {
            return; /* the other one then waits for ever */
        }
        game->payload++;
        if (turn % 64 == 0) {
            fgi_sleep_ns(20 * FGI_NS_PER_US); /* past the spin, into futex */
        }
        atomic_store(&game->turn, turn + 1);
        fgi_gate_notify(&game->gate[(turn + 1) % 2]);
    }
}

static void play_second(void *context)
{
    play(context, 1);
}

static void gate_in_ping_pong_loses_no_notify(void **state)
{
    struct game game = {.payload = 0};
    struct fgi_thread second;

    (void)state;
    fgi_gate_init(&game.gate[0]);
    fgi_gate_init(&game.gate[1]);
    assert_int_equal(
        fgi_thread_start(&second, "second", -1, play_second, &game, NULL),
        FG_OK);
    play(&game, 0);
    fgi_thread_join(&second);
    assert_true(game.payload == ROUNDS);
}

/* Many waiters on one gate. */
struct crowd {
    struct fgi_gate gate;
    _Atomic uint32_t level; /* waiters follow it up to ROUNDS */
};

static void follow(void *context)
{
    struct crowd *crowd = context;
    uint32_t level = 0;

    while (level < ROUNDS / 10) {
        uint32_t seen = fgi_gate_read(&crowd->gate);
        uint32_t now = atomic_load(&crowd->level);

        if (now == level) {
            fgi_gate_wait(&crowd->gate, seen, FGI_NEVER);
        }
        level = now;
    }
}

static void gate_with_many_waiters_wakes_them_all(void **state)
{
    struct fgi_thread threads[WAITERS];
    struct crowd crowd = {.level = 0};

    (void)state;
    fgi_gate_init(&crowd.gate);
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(
            fgi_thread_start(&threads[i], "follow", -1, follow, &crowd, NULL),
            FG_OK);
    }
    for (int i = 0; i < ROUNDS / 10; i++) {
        atomic_fetch_add(&crowd.level, 1);
        fgi_gate_notify(&crowd.gate);
    }
    for (int i = 0; i < WAITERS; i++) {
        fgi_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&crowd.gate.waiters), 0);
}

static void gate_without_a_notify_returns_at_the_deadline(void **state)
{
    struct fgi_gate gate;
    uint64_t deadline_ns = fgi_now_ns() + 5 * FGI_NS_PER_MS;

    (void)state;
    fgi_gate_init(&gate);
    while (fgi_now_ns() < deadline_ns) {
        fgi_gate_wait(&gate, fgi_gate_read(&gate), deadline_ns);
    }
    fgi_gate_wait(&gate, fgi_gate_read(&gate), 0);
    assert_int_equal(atomic_load(&gate.waiters), 0);
}

static void gate_moved_before_the_wait_returns_at_once(void **state)
{
    struct fgi_gate gate;
    uint32_t seen;

    (void)state;
    fgi_gate_init(&gate);
    atomic_store(&gate.moves, UINT32_MAX); /* also across the wrap */
    seen = fgi_gate_read(&gate);
    fgi_gate_notify(&gate);
    fgi_gate_wait(&gate, seen, FGI_NEVER);
    assert_int_equal(fgi_gate_read(&gate), 0);
}

static struct fgi_gate signalled;

static void notify_from_handler(int number)
{
    (void)number;
    fgi_gate_notify(&signalled);
}

static void gate_notified_by_a_signal_handler_opens(void **state)
{
    struct sigaction action = {.sa_handler = notify_from_handler};
    struct sigaction before;
    uint32_t seen;

    (void)state;
    fgi_gate_init(&signalled);
    sigaction(SIGALRM, &action, &before);
    seen = fgi_gate_read(&signalled);
    ualarm(2000, 0);
    while (fgi_gate_read(&signalled) == seen) {
        fgi_gate_wait(&signalled, seen, FGI_NEVER);
    }
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(fgi_gate_read(&signalled), seen + 1);
}

/* What a thread finds out about itself. */
struct self {
    char name[16];      /* as the kernel has it */
    bool blocks_sigint; /* every signal is the program's */
};

static void look_at_self(void *context)
{
    struct self *self = context;
    sigset_t mask;

    pthread_getname_np(pthread_self(), self->name, sizeof(self->name));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    self->blocks_sigint = sigismember(&mask, SIGINT) == 1;
}

static void thread_start_names_it_and_blocks_signals(void **state)
{
    struct fgi_thread thread;
    struct self self = {.blocks_sigint = false};
    sigset_t mask;

    (void)state;
    assert_int_equal(fgi_thread_start(&thread, "a-name-that-is-too-long", -1,
                                      look_at_self, &self, NULL),
                     FG_OK);
    fgi_thread_join(&thread);
    assert_string_equal(self.name, "a-name-that-is-");
    assert_true(self.blocks_sigint);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGINT), 0);
}

static void thread_join_twice_or_unstarted_does_nothing(void **state)
{
    struct fgi_thread thread = {.started = false};
    struct self self;

    (void)state;
    fgi_thread_join(&thread);
    assert_int_equal(
        fgi_thread_start(&thread, "x", 0, look_at_self, &self, NULL), FG_OK);
    fgi_thread_join(&thread);
    fgi_thread_join(&thread);
}

static void cpu_count_is_at_least_one(void **state)
{
    (void)state;
    assert_true(fgi_cpu_count() >= 1);
}

static void fork_generation_counts_in_the_child_only(void **state)
{
    uint32_t before = fgi_fork_generation();
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        _exit(fgi_fork_generation() == before + 1 ? 0 : 1);
    }
    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(fgi_fork_generation(), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_in_ping_pong_loses_no_notify),
        cmocka_unit_test(gate_with_many_waiters_wakes_them_all),
        cmocka_unit_test(gate_without_a_notify_returns_at_the_deadline),
        cmocka_unit_test(gate_moved_before_the_wait_returns_at_once),
        cmocka_unit_test(gate_notified_by_a_signal_handler_opens),
        cmocka_unit_test(thread_start_names_it_and_blocks_signals),
        cmocka_unit_test(thread_join_twice_or_unstarted_does_nothing),
        cmocka_unit_test(cpu_count_is_at_least_one),
        cmocka_unit_test(fork_generation_counts_in_the_child_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
