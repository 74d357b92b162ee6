/* SPDX-License-Identifier: Apache-2.0 */
/* Running processes and their nodes, in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_PROCESS_HPP
#define FEEDGPU_PROCESS_HPP

#include <cstdint>

#include <feedgpu/error.hpp>
#include <feedgpu/process.h>
#include <feedgpu/topology.hpp>

namespace feedgpu
{

/* A snapshot of a running process. The topology must live longer. */
class process
{
  public:
    process(const topology &machine, std::int32_t pid)
    {
        fg_process *handle = nullptr;
        fg_error err;

        detail::check(fg_process_open(machine.get(), pid, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_process *get() const noexcept
    {
        return handle_.get();
    }

    const fg_process_info &info() const
    {
        return *fg_process_get_info(detail::need(handle_));
    }

    /* Put it on a node; flags: FG_PROCESS_MIGRATE. */
    fg_process_moved move(std::int32_t node, std::uint32_t flags = 0) const
    {
        fg_process_moved moved;
        fg_error err;
        detail::check(
            fg_process_move(detail::need(handle_), node, flags, &moved, &err),
            err);
        return moved;
    }

  private:
    detail::owner<fg_process, fg_process_close> handle_;
};

} // namespace feedgpu

#endif /* FEEDGPU_PROCESS_HPP */
