/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, devices and what is near what, in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_TOPOLOGY_HPP
#define FEEDGPU_TOPOLOGY_HPP

#include <cstdint>
#include <string>

#include <feedgpu/error.hpp>
#include <feedgpu/topology.h>

namespace feedgpu
{

/* A snapshot of this machine, or of a copy of another one's /sys and /proc.
 * What its members lend out lives as long as it does. */
class topology
{
  public:
    explicit topology(const char *sysroot = nullptr)
    {
        fg_topology_config config;
        fg_topology *handle = nullptr;
        fg_error err;

        fg_topology_config_init(&config);
        config.sysroot = sysroot;
        detail::check(fg_topology_open(&config, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_topology *get() const noexcept
    {
        return handle_.get();
    }

    std::uint32_t node_count() const
    {
        return fg_topology_node_count(detail::need(handle_));
    }

    const fg_node &node(std::uint32_t index) const
    {
        return *fg_topology_node(detail::need(handle_), index);
    }

    std::uint32_t pci_count() const
    {
        return fg_topology_pci_count(detail::need(handle_));
    }

    const fg_pci_device &pci(std::uint32_t index) const
    {
        return *fg_topology_pci(detail::need(handle_), index);
    }

    /* The device of that bus id; not for two threads at once. */
    const fg_pci_device &find_pci(const std::string &bus_id)
    {
        const fg_pci_device *device = nullptr;
        fg_error err;
        detail::check(fg_topology_find_pci(detail::need(handle_),
                                           bus_id.c_str(), &device, &err),
                      err);
        return *device;
    }

    fg_home find_home(const std::string &bus_id,
                      std::int32_t driver_node = -1) const
    {
        fg_home home;
        fg_topology_find_home(detail::need(handle_), bus_id.c_str(),
                              driver_node, &home);
        return home;
    }

    fg_path path(const fg_pci_device &a, const fg_pci_device &b) const
    {
        return fg_topology_path(detail::need(handle_), &a, &b);
    }

    /* The block device that a file or folder lies on. */
    fg_block find_block_of(const std::string &file) const
    {
        fg_block block;
        fg_error err;
        detail::check(fg_topology_find_block_of(detail::need(handle_),
                                                file.c_str(), &block, &err),
                      err);
        return block;
    }

  private:
    detail::owner<fg_topology, fg_topology_close> handle_;
};

} // namespace feedgpu

#endif /* FEEDGPU_TOPOLOGY_HPP */
