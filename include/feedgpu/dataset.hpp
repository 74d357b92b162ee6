/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_DATASET_HPP
#define FEEDGPU_DATASET_HPP

#include <cstdint>
#include <string>
#include <vector>

#include <feedgpu/dataset.h>
#include <feedgpu/error.hpp>

namespace feedgpu
{

/* The C config, born with its defaults. Members are the C ones: what strings
 * and pointers in them point to is borrowed during the call. */
struct dataset_config : fg_dataset_config {
    dataset_config() noexcept
    {
        fg_dataset_config_init(this);
    }
};

/* A dataset, to look into. See <feedgpu/dataset.h>. */
class dataset
{
  public:
    explicit dataset(const std::string &path,
                     const fg_dataset_config &config = dataset_config())
    {
        fg_dataset *handle = nullptr;
        fg_error err;
        detail::check(fg_dataset_open(path.c_str(), &config, &handle, &err),
                      err);
        handle_.reset(handle);
    }

    fg_dataset *get() const noexcept
    {
        return handle_.get();
    }

    fg_dataset_info info() const
    {
        fg_dataset_info info;
        fg_dataset_get_info(detail::need(handle_), &info);
        return info;
    }

    fg_sample_place locate(std::uint64_t index) const
    {
        fg_sample_place place;
        fg_error err;
        detail::check(
            fg_dataset_locate(detail::need(handle_), index, &place, &err), err);
        return place;
    }

    /* The bytes of one sample, its fields one after another. */
    std::vector<std::uint8_t> read(std::uint64_t index) const
    {
        std::vector<std::uint8_t> bytes(locate(index).length);
        std::uint64_t length = 0;
        fg_error err;
        detail::check(fg_dataset_read(detail::need(handle_), index,
                                      bytes.data(), bytes.size(), nullptr,
                                      &length, &err),
                      err);
        bytes.resize(length);
        return bytes;
    }

    /* Read everything, check every checksum; throws if any shard is damaged. */
    void verify(fg_verify_fn report = nullptr, void *context = nullptr) const
    {
        fg_error err;
        detail::check(
            fg_dataset_verify(detail::need(handle_), report, context, &err),
            err);
    }

  private:
    detail::owner<fg_dataset, fg_dataset_close> handle_;
};

} // namespace feedgpu

#endif /* FEEDGPU_DATASET_HPP */
