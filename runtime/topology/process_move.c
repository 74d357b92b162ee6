/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a process on a node. What can be known to fail is found out before
 * anything is touched.
 *
 * Threads are set one by one, in passes over task/. A thread that a set thread
 * starts inherits its CPUs, but one that was not set yet may have started
 * another in the meantime; so passes go on until one meets no thread that has
 * to be set, or that has ended before it could be. The kernel's own workers for
 * io_uring cannot be set; they are counted apart.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/base/numa.h"
#include "runtime/topology/process.h"

#define PASSES_MAX 300
#define TASK_FLAGS_FIELD 9            /* of stat */
#define PF_NO_SETAFFINITY 0x04000000u /* of these flags */

struct move {
    const struct fg_process *process;
    const struct fg_node *node;
    struct fgi_set wanted; /* CPUs */
    struct fgi_set got;    /* what the kernel made of it for the last one */
    int32_t *done;         /* owned: threads that need no more */
    uint32_t done_count;
    uint32_t pass;      /* over task/, from 0 */
    uint32_t unsettled; /* threads in this pass that may have left others */
    struct fg_process_moved moved;
    enum fg_status status; /* of what ends a pass */
    struct fg_error *err;
};

static enum fg_status check_node(const struct move *move)
{
    int32_t pid = move->process->info.pid;

    if ((move->node->flags & FG_NODE_DEVICE_MEMORY) != 0) {
        return fgi_fail(move->err, FG_ERR_ARGUMENT,
                        "process %d: node %d: is a GPU's memory, wanted a "
                        "node with CPUs",
                        pid, move->node->node);
    }
    if (move->node->cpu_count == 0) {
        return fgi_fail(move->err, FG_ERR_ARGUMENT,
                        "process %d: node %d: has no CPUs", pid,
                        move->node->node);
    }
    return FG_OK;
}

/* The node's CPUs that the cpuset allows. */
static enum fg_status choose_cpus(struct move *move)
{
    const struct fg_process *process = move->process;

    move->wanted =
        process->topology->node_cpus[move->node - process->topology->nodes];
    if (process->knows_cpuset) {
        fgi_set_intersect(&move->wanted, &process->cpuset);
    }
    if (fgi_set_count(&move->wanted) == 0) {
        return fgi_fail(move->err, FG_ERR_STATE,
                        "process %d: node %d: its cpuset allows CPUs %.60s, "
                        "none of the node's %.60s",
                        process->info.pid, move->node->node,
                        process->info.cpuset_cpus, move->node->cpus);
    }
    return FG_OK;
}

static enum fg_status check_memory(const struct move *move)
{
    const struct fg_process *process = move->process;
    int32_t node = move->node->node;

    if (move->node->memory_bytes == 0) {
        return fgi_fail(move->err, FG_ERR_ARGUMENT,
                        "process %d: node %d: has no memory to migrate to",
                        process->info.pid, node);
    }
    if (process->knows_memory_nodes &&
        !fgi_set_has(&process->memory_nodes, (uint32_t)node)) {
        return fgi_fail(move->err, FG_ERR_STATE,
                        "process %d: node %d: its cpuset allows memory on "
                        "nodes %.60s only",
                        process->info.pid, node, process->info.memory_nodes);
    }
    return FG_OK;
}

static enum fg_status check(struct move *move, int32_t node, uint32_t flags)
{
    const struct fg_process *process = move->process;
    int32_t pid = process->info.pid;
    enum fg_status status;

    if ((flags & ~(FG_PROCESS_MIGRATE | FG_PROCESS_CHECK)) != 0) {
        return fgi_fail(move->err, FG_ERR_ARGUMENT,
                        "process %d: move: flags: got 0x%x", pid, flags);
    }
    if ((flags & FG_PROCESS_CHECK) == 0 &&
        fg_sysroot_is_copy(process->topology->root)) {
        return fgi_fail(move->err, FG_ERR_UNSUPPORTED,
                        "process %d: move: is of a copy of another machine",
                        pid);
    }
    move->node = fg_topology_find_node(process->topology, node);
    if (move->node == NULL) {
        return fgi_fail(move->err, FG_ERR_NOT_FOUND,
                        "process %d: node %d: no such node", pid, node);
    }
    status = check_node(move);
    if (status == FG_OK) {
        status = choose_cpus(move);
    }
    if (status == FG_OK && (flags & FG_PROCESS_MIGRATE) != 0) {
        status = check_memory(move);
    }
    return status == FG_OK ? fgi_process_check(process, move->err) : status;
}

static bool is_done(const struct move *move, int32_t thread)
{
    for (uint32_t i = 0; i < move->done_count; i++) {
        if (move->done[i] == thread) {
            return true;
        }
    }
    return false;
}

static enum fg_status note_done(struct move *move, int32_t thread)
{
    if ((move->done_count & (move->done_count - 1)) == 0) {
        uint32_t room = move->done_count == 0 ? 1 : 2 * move->done_count;
        void *grown = fgi_grow(move->done, room, sizeof(*move->done));

        if (grown == NULL) {
            return fgi_fail(move->err, FG_ERR_MEMORY,
                            "process %d: got no memory",
                            move->process->info.pid);
        }
        move->done = grown;
    }
    move->done[move->done_count++] = thread;
    return FG_OK;
}

/* Is it one of the kernel's workers, which keep the CPUs they have? */
static bool is_fixed(const struct move *move, int32_t thread)
{
    char path[FGI_PROCESS_PATH_BYTES];
    char text[1024];
    uint64_t flags;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat",
             move->process->info.pid, thread);
    return fg_sysroot_read(move->process->topology->root, path, text,
                           sizeof(text), NULL) == FG_OK &&
           fgi_parse_stat(text, TASK_FLAGS_FIELD, &flags) &&
           (flags & PF_NO_SETAFFINITY) != 0;
}

static enum fg_status fail_set(const struct move *move, int32_t thread,
                               int error)
{
    enum fg_status status;
    char others[32] = "";

    if (move->moved.threads > 0) {
        snprintf(others, sizeof(others), " after %u others",
                 move->moved.threads);
    }
    status = fgi_fail_errno(move->err, error,
                            "process %d: thread %d: set affinity%s",
                            move->process->info.pid, thread, others);
    if (error == EPERM) {
        fgi_likely(move->err, "another user's process");
    } else if (error == EINVAL) {
        fgi_likely(move->err, "its cpuset forbids the node's CPUs");
    }
    return status;
}

static bool has_affinity(int32_t thread, const struct fgi_set *cpus)
{
    struct fgi_set now;

    return sched_getaffinity(thread, sizeof(now), (cpu_set_t *)&now) == 0 &&
           memcmp(&now, cpus, sizeof(now)) == 0;
}

static enum fg_status set_thread(struct move *move, int32_t thread)
{
    if (sched_setaffinity(thread, sizeof(move->wanted),
                          (const cpu_set_t *)&move->wanted) == 0) {
        if (sched_getaffinity(thread, sizeof(move->got),
                              (cpu_set_t *)&move->got) != 0) {
            memset(&move->got, 0, sizeof(move->got));
        }
        move->moved.threads++;
        move->unsettled++;
        return note_done(move, thread);
    }
    if (errno == ESRCH) {
        move->moved.threads_ended++;
        move->unsettled++; /* it may have started one before it ended */
        return note_done(move, thread);
    }
    if (errno == EINVAL && is_fixed(move, thread)) {
        move->moved.threads_fixed++;
        return note_done(move, thread);
    }
    return fail_set(move, thread, errno);
}

static bool take_thread(const char *name, void *context)
{
    struct move *move = context;
    int64_t thread;

    if (!fgi_parse_number(name, &thread) || thread < 1 || thread > INT32_MAX ||
        is_done(move, (int32_t)thread)) {
        return true;
    }
    /* Started meanwhile by one that was set: there may be no end to these. */
    if (move->pass > 0 && has_affinity((int32_t)thread, &move->got)) {
        return true;
    }
    move->status = set_thread(move, (int32_t)thread);
    return move->status == FG_OK;
}

/* A thread that ends while the kernel lists them may hide another one: one
 * pass that finds nothing new is no proof. */
#define QUIET_PASSES 3u

static enum fg_status set_threads(struct move *move)
{
    int32_t pid = move->process->info.pid;
    uint32_t quiet_passes = 0;
    char path[FGI_PROCESS_PATH_BYTES];

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    for (; move->pass < PASSES_MAX; move->pass++) {
        struct fg_error why;

        move->unsettled = 0;
        if (fg_sysroot_list(move->process->topology->root, path, take_thread,
                            move, &why) != FG_OK) {
            if (fgi_process_is_gone(&why)) {
                return fgi_fail(move->err, FG_ERR_NOT_FOUND,
                                "process %d: has ended", pid);
            }
            fgi_prefix(&why, "process %d", pid);
            return fgi_error_copy(move->err, &why);
        }
        if (move->status != FG_OK) {
            return move->status;
        }
        quiet_passes = move->unsettled == 0 ? quiet_passes + 1 : 0;
        if (quiet_passes == QUIET_PASSES) {
            return FG_OK;
        }
    }
    return fgi_fail(move->err, FG_ERR_STATE,
                    "process %d: set affinity after %u others: threads start "
                    "faster than they can be set",
                    pid, move->moved.threads);
}

static enum fg_status migrate(struct move *move)
{
    const struct fg_process *process = move->process;
    int error = fgi_numa_migrate(process->info.pid, move->node->node,
                                 &move->moved.pages_left);
    enum fg_status status;

    if (error == 0) {
        return FG_OK;
    }
    status = fgi_fail_errno(move->err, error,
                            "process %d: migrate memory to node %d, %u threads "
                            "are there",
                            process->info.pid, move->node->node,
                            move->moved.threads);
    if (error == EPERM) {
        fgi_likely(move->err, "another user's process, or a container's "
                              "seccomp filter");
    } else if (error == ENOMEM) {
        fgi_likely(move->err, "the node is full; some of it was moved");
    }
    return status;
}

enum fg_status fg_process_move(const struct fg_process *process, int32_t node,
                               uint32_t flags, struct fg_process_moved *moved,
                               struct fg_error *err)
{
    struct move move = {.process = process, .err = err};
    enum fg_status status = check(&move, node, flags);

    if (status == FG_OK && (flags & FG_PROCESS_CHECK) == 0) {
        status = set_threads(&move);
    }
    if (status == FG_OK && flags == FG_PROCESS_MIGRATE) {
        status = migrate(&move);
    }
    fgi_free(move.done);
    if (status == FG_OK) {
        *moved = move.moved;
    }
    return status;
}
