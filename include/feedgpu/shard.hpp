/* SPDX-License-Identifier: Apache-2.0 */
/* Writing shards in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_SHARD_HPP
#define FEEDGPU_SHARD_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include <feedgpu/error.hpp>
#include <feedgpu/shard.h>

namespace feedgpu
{

/* The C config, born with its defaults. Members are the C ones: what strings
 * and pointers in them point to is borrowed during the call. */
struct shard_config : fg_shard_config {
    shard_config() noexcept
    {
        fg_shard_config_init(this);
    }
};

/* One field of a sample to be written: borrowed bytes. */
struct bytes {
    const void *data;
    std::uint64_t length_bytes;
};

/*
 * Writes one shard. See <feedgpu/shard.h>. Without finish nothing is left
 * behind: the destructor aborts.
 */
class shard_writer
{
  public:
    shard_writer(const std::string &path, const fg_shard_config &config)
        : field_count_(config.field_count)
    {
        fg_shard_writer *handle = nullptr;
        fg_error err;
        detail::check(
            fg_shard_writer_open(path.c_str(), &config, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_shard_writer *get() const noexcept
    {
        return handle_.get();
    }

    /* Append a sample: an entry for each field. The bytes are copied. */
    void add(std::initializer_list<bytes> sample)
    {
        const void *fields[FG_FIELDS_MAX] = {};
        std::uint64_t lengths[FG_FIELDS_MAX] = {};
        std::size_t count = 0;
        fg_error err;
        fg_shard_writer *handle = detail::need(handle_);
        if (sample.size() != field_count_) {
            throw error(FG_ERR_ARGUMENT, "shard writer: add: wanted an entry "
                                         "for each field of the config");
        }
        for (const bytes &field : sample) {
            fields[count] = field.data;
            lengths[count] = field.length_bytes;
            count++;
        }
        detail::check(fg_shard_writer_add(handle, fields, lengths, &err), err);
    }

    /* Samples added so far. */
    std::uint64_t samples() const
    {
        std::uint64_t samples = 0;
        fg_shard_writer_progress(detail::need(handle_), &samples, nullptr);
        return samples;
    }

    /* Make the file appear. The writer is done, also when this throws. */
    void finish()
    {
        fg_error err;
        detail::need(handle_);
        detail::check(fg_shard_writer_finish(handle_.release(), &err), err);
    }

  private:
    detail::owner<fg_shard_writer, fg_shard_writer_abort> handle_;
    std::uint32_t field_count_;
};

} // namespace feedgpu

#endif /* FEEDGPU_SHARD_HPP */
