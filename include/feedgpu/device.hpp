/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and streams in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_DEVICE_HPP
#define FEEDGPU_DEVICE_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <feedgpu/device.h>
#include <feedgpu/error.hpp>

namespace feedgpu
{

/* A device. See <feedgpu/device.h>. */
class device
{
  public:
    explicit device(const std::string &name = "auto", std::uint32_t flags = 0)
    {
        fg_device *handle = nullptr;
        fg_error err;
        detail::check(fg_device_open(name.c_str(), flags, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_device *get() const noexcept
    {
        return handle_.get();
    }

    fg_device_info info() const
    {
        fg_device_info info;
        fg_device_get_info(detail::need(handle_), &info);
        return info;
    }

  private:
    detail::owner<fg_device, fg_device_close> handle_;
};

/* A stream made here. Its destructor waits for the stream's work. */
class stream
{
  public:
    /* The device is borrowed: a device's get(), or loader::device(). */
    explicit stream(fg_device *on) : device_(on)
    {
        fg_error err;
        if (on == nullptr) {
            throw error(FG_ERR_ARGUMENT, "stream: device: got none");
        }
        detail::check(fg_stream_open(on, &handle_, &err), err);
    }

    explicit stream(const device &on) : stream(on.get())
    {
    }

    stream(stream &&other) noexcept
        : device_(std::exchange(other.device_, nullptr)),
          handle_(std::exchange(other.handle_, nullptr))
    {
    }

    stream &operator=(stream &&other) noexcept
    {
        stream taken(std::move(other));
        std::swap(device_, taken.device_);
        std::swap(handle_, taken.handle_);
        return *this;
    }

    ~stream()
    {
        if (device_ != nullptr) {
            fg_stream_close(device_, handle_);
        }
    }

    fg_stream get() const noexcept
    {
        return handle_;
    }

    /* Block until all work given to the stream so far is done. */
    void synchronize() const
    {
        fg_error err;
        detail::check(fg_stream_synchronize(need(), handle_, &err), err);
    }

    /* Enqueue a stand-in for a training step. */
    void compute(std::uint64_t duration_ns, std::uint64_t index) const
    {
        fg_error err;
        detail::check(
            fg_stream_compute(need(), handle_, duration_ns, index, &err), err);
    }

    /* When compute step `index` ran. Blocks until it has ended. */
    fg_span compute_span(std::uint64_t index) const
    {
        fg_span span;
        fg_error err;
        detail::check(fg_compute_get_span(need(), handle_, index, &span, &err),
                      err);
        return span;
    }

    /* Copy from device memory to the host, behind the stream's work; wait. */
    void read(void *host, const void *device_data, std::size_t bytes) const
    {
        fg_error err;
        detail::check(
            fg_device_read(need(), handle_, host, device_data, bytes, &err),
            err);
    }

  private:
    fg_device *need() const
    {
        if (device_ == nullptr) {
            throw error(FG_ERR_STATE, "stream: used after it was moved from");
        }
        return device_;
    }

    fg_device *device_ = nullptr; /* borrowed; nullptr: moved from */
    fg_stream handle_ = nullptr;
};

} // namespace feedgpu

#endif /* FEEDGPU_DEVICE_HPP */
