/* SPDX-License-Identifier: Apache-2.0 */
/* A feeder of other programs, in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_FEEDER_HPP
#define FEEDGPU_FEEDER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <feedgpu/error.hpp>
#include <feedgpu/feeder.h>

namespace feedgpu
{

/* struct fg_feeder_config with its defaults filled in. */
struct feeder_config : fg_feeder_config {
    feeder_config() noexcept
    {
        fg_feeder_config_init(this);
    }
};

/* A feeder. See <feedgpu/feeder.h>. */
class feeder
{
  public:
    explicit feeder(const fg_feeder_config &config = feeder_config())
    {
        fg_feeder *handle = nullptr;
        fg_error err;

        detail::check(fg_feeder_open(&config, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_feeder *get() const noexcept
    {
        return handle_.get();
    }

    /* "NAME=VALUE" for the programs' environment. */
    std::string environment() const
    {
        return fg_feeder_environment(detail::need(handle_));
    }

    fg_feeder_stats stats() const
    {
        fg_feeder_stats stats;
        stats.struct_size = sizeof(stats);
        fg_feeder_get_stats(detail::need(handle_), &stats);
        return stats;
    }

    /* At most `room` threads, most blocked first. */
    std::vector<fg_feeder_actor> actors(std::uint32_t room) const
    {
        std::vector<fg_feeder_actor> actors(room);
        std::uint32_t count =
            fg_feeder_get_actors(detail::need(handle_), actors.data(), room);
        actors.resize(std::min(count, room));
        return actors;
    }

    /* At most `room` folders, most blocked first. */
    std::vector<fg_feeder_group> groups(std::uint32_t room) const
    {
        std::vector<fg_feeder_group> groups(room);
        std::uint32_t count =
            fg_feeder_get_groups(detail::need(handle_), groups.data(), room);
        groups.resize(std::min(count, room));
        return groups;
    }

  private:
    detail::owner<fg_feeder, fg_feeder_close> handle_;
};

} // namespace feedgpu

#endif /* FEEDGPU_FEEDER_HPP */
