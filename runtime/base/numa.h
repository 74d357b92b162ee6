/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMA nodes: memory policy, affinity, proof. The only user of libnuma.
 * Every call works, as "one node" or "not allowed", where the kernel or a
 * container's seccomp filter forbids the system calls behind it.
 */
#ifndef FGI_BASE_NUMA_H
#define FGI_BASE_NUMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/stats.h>

/* Nodes of this machine, at least 1. */
unsigned fgi_numa_node_count(void);

/* Whether a node of that number exists. */
bool fgi_numa_node_exists(int node);

/*
 * Prefer `node` for pages of [address, address + bytes) not yet touched.
 * Returns 0 or an errno (EPERM in a container).
 */
int fgi_numa_prefer(void *address, size_t bytes, int node);

/*
 * Allow pages of the range on `node` only. A touch that finds the node full
 * is the OOM killer's: ask for room first. Returns 0 or an errno.
 */
int fgi_numa_bind(void *address, size_t bytes, int node);

/* Reserved huge pages of 2 MiB that are free on the node; 0 when unknown. */
uint64_t fgi_numa_free_hugepages(int node);

/* Run the calling thread on the node's CPUs. Returns 0 or an errno. */
int fgi_numa_run_on(int node);

/*
 * Move the pages that process pid has on other nodes to `node`; *pages_left of
 * them could not be. Returns 0 or an errno (EPERM: another user's process).
 */
int fgi_numa_migrate(int pid, int node, uint64_t *pages_left);

/* Node of the CPU the caller runs on, or -1. */
int fgi_numa_current_node(void);

/*
 * Count where the pages lie: fills pages, pages_on_home_node, elsewhere and
 * verified_by (home_node, page_bytes and page_kind are the caller's). Touched
 * pages only. A transparent huge page is at home if all of its 4 KiB are.
 */
void fgi_numa_verify(const void *address, size_t bytes,
                     struct fg_placement *placement);

#endif /* FGI_BASE_NUMA_H */
