/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as exceptions, and what owners share. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_ERROR_HPP
#define FEEDGPU_ERROR_HPP

#include <cstdint>
#include <memory>
#include <stdexcept>

#include <feedgpu/error.h>
#include <feedgpu/export.h>

namespace feedgpu
{

/* A call that failed: struct fg_error as an exception. */
class FG_EXPORT error : public std::runtime_error
{
  public:
    explicit error(const fg_error &err)
        : std::runtime_error(err.message), status_(err.status),
          sys_errno_(err.sys_errno), offset_(err.offset)
    {
    }

    error(fg_status status, const char *message)
        : std::runtime_error(message), status_(status)
    {
    }

    /* What kind of failure. The text is what(). */
    fg_status status() const noexcept
    {
        return status_;
    }

    /* errno behind it, or 0. */
    int sys_errno() const noexcept
    {
        return sys_errno_;
    }

    /* Byte in the file, or UINT64_MAX. */
    std::uint64_t offset() const noexcept
    {
        return offset_;
    }

  private:
    fg_status status_;
    int sys_errno_ = 0;
    std::uint64_t offset_ = UINT64_MAX;
};

namespace detail
{

inline void check(fg_status status, const fg_error &err)
{
    if (status != FG_OK) {
        throw error(err);
    }
}

/* A unique_ptr whose deleter is a C function. */
template <auto close> struct closer {
    template <typename T> void operator()(T *handle) const noexcept
    {
        close(handle);
    }
};

template <typename T, auto close>
using owner = std::unique_ptr<T, closer<close>>;

/* The handle, or an error for an object that has none any more. */
template <typename Owner> auto need(const Owner &owner)
{
    if (!owner) {
        throw error(FG_ERR_STATE, "feedgpu: used after it was moved from, "
                                  "finished or released");
    }
    return owner.get();
}

} // namespace detail
} // namespace feedgpu

#endif /* FEEDGPU_ERROR_HPP */
