/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and the loader in C++. See <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_LOADER_HPP
#define FEEDGPU_LOADER_HPP

#include <cstdint>
#include <utility>

#include <feedgpu/device.hpp>
#include <feedgpu/error.hpp>
#include <feedgpu/loader.h>

namespace feedgpu
{

/* The C config, born with its defaults. Members are the C ones: what strings
 * and pointers in them point to is borrowed during the call. */
struct loader_config : fg_loader_config {
    loader_config() noexcept
    {
        fg_loader_config_init(this);
    }
};

/*
 * A batch on loan. The destructor gives it back on the stream it was acquired
 * with: work given to that stream before is the last to use it. False when the
 * epochs are over, and after release or a move.
 */
class batch
{
  public:
    batch() noexcept = default;

    batch(batch &&other) noexcept
        : batch_(other.batch_), loader_(std::exchange(other.loader_, nullptr)),
          stream_(other.stream_)
    {
    }

    batch &operator=(batch &&other) noexcept
    {
        if (this != &other) {
            release();
            batch_ = other.batch_;
            loader_ = std::exchange(other.loader_, nullptr);
            stream_ = other.stream_;
        }
        return *this;
    }

    ~batch()
    {
        release();
    }

    explicit operator bool() const noexcept
    {
        return loader_ != nullptr;
    }

    /* The C batch; valid while this is true. */
    const fg_batch *operator->() const noexcept
    {
        return &batch_;
    }

    const fg_batch &operator*() const noexcept
    {
        return batch_;
    }

    /* Give it back now; nothing happens the second time. */
    void release() noexcept
    {
        release_on(stream_);
    }

    /* Give it back once the work on another stream is done with it. */
    void release_on(fg_stream other) noexcept
    {
        if (loader_ != nullptr) {
            fg_loader_release(std::exchange(loader_, nullptr), &batch_, other);
        }
    }

  private:
    friend class loader;

    fg_batch batch_ = {};
    fg_loader *loader_ = nullptr; /* borrowed; nullptr: nothing on loan */
    fg_stream stream_ = nullptr;  /* what it was acquired with */
};

class batch_range;

/* The loader. See <feedgpu/loader.h>. Its destructor stops and waits. */
class loader
{
  public:
    explicit loader(const fg_loader_config &config)
    {
        fg_loader *handle = nullptr;
        fg_error err;
        detail::check(fg_loader_open(&config, &handle, &err), err);
        handle_.reset(handle);
    }

    fg_loader *get() const noexcept
    {
        return handle_.get();
    }

    /*
     * The next batch, or a false one after the last. `on` is what
     * fg_loader_acquire takes: a cudaStream_t, a stream's get(), NULL for the
     * default stream. Give a batch back before the next is asked for, or keep
     * at most as many as fg_loader_acquire allows.
     */
    batch next(fg_stream on = nullptr)
    {
        batch result;
        fg_error err;
        fg_loader *handle = detail::need(handle_);
        fg_status status = fg_loader_acquire(handle, on, &result.batch_, &err);
        if (status != FG_END) {
            detail::check(status, err);
            result.loader_ = handle;
            result.stream_ = on;
        }
        return result;
    }

    batch next(const stream &on)
    {
        return next(on.get());
    }

    /* All batches to come: for (auto &batch : loader.batches(stream)). */
    batch_range batches(fg_stream on = nullptr);
    batch_range batches(const stream &on);

    /* Make waits end with FG_ERR_CANCELLED. Threads: any. */
    void cancel() noexcept
    {
        if (handle_) {
            fg_loader_cancel(handle_.get());
        }
    }

    fg_loader_stats stats() const
    {
        fg_loader_stats stats;
        fg_loader_get_stats(detail::need(handle_), &stats);
        return stats;
    }

    /* Where to go on from; for fg_loader_config::state. */
    fg_loader_state state() const
    {
        fg_loader_state state;
        fg_loader_get_state(detail::need(handle_), &state);
        return state;
    }

    std::uint64_t steps_per_epoch() const
    {
        return fg_loader_steps_per_epoch(detail::need(handle_));
    }

    /* The device batches go to: borrowed, the loader's or the config's. */
    fg_device *device() const
    {
        return fg_loader_device(detail::need(handle_));
    }

    fg_dataset_info dataset_info() const
    {
        fg_dataset_info info;
        fg_dataset_get_info(fg_loader_dataset(detail::need(handle_)), &info);
        return info;
    }

  private:
    detail::owner<fg_loader, fg_loader_close> handle_;
};

/* One pass over what is left of a loader. Used by one range-for. */
class batch_range
{
  public:
    struct sentinel {
    };

    class iterator
    {
      public:
        explicit iterator(batch_range *range) : range_(range)
        {
        }

        batch &operator*() const noexcept
        {
            return range_->current_;
        }

        iterator &operator++()
        {
            range_->advance();
            return *this;
        }

        bool operator!=(sentinel) const noexcept
        {
            return !range_->is_over_;
        }

      private:
        batch_range *range_; /* borrowed */
    };

    batch_range(loader &from, fg_stream on) noexcept : loader_(&from), on_(on)
    {
    }

    iterator begin()
    {
        advance();
        return iterator(this);
    }

    sentinel end() const noexcept
    {
        return {};
    }

  private:
    void advance()
    {
        current_.release(); /* before the next: slots are few */
        current_ = loader_->next(on_);
        is_over_ = !current_;
    }

    loader *loader_; /* borrowed */
    fg_stream on_;
    batch current_;
    bool is_over_ = false;
};

inline batch_range loader::batches(fg_stream on)
{
    return batch_range(*this, on);
}

inline batch_range loader::batches(const stream &on)
{
    return batch_range(*this, on.get());
}

} // namespace feedgpu

#endif /* FEEDGPU_LOADER_HPP */
