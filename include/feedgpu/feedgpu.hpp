/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C++17 face of libfeedgpu: header only, a thin layer of owners over the
 * C API. Nothing is cached and nothing is hidden: get() gives the C handle.
 *
 *     feedgpu::loader_config config;
 *     config.dataset = "/data/train";
 *     config.batch_size = 256;
 *     config.device = "cuda:0";
 *     feedgpu::loader loader(config);
 *     while (feedgpu::batch batch = loader.next(stream)) {
 *         train_step(batch->fields[0].data, batch->count, stream);
 *     }
 *
 * Errors: a call that fails throws feedgpu::error. Destructors, moves and
 * functions marked noexcept never throw.
 *
 * Ownership: every class here owns one C handle, can be moved and not copied,
 * and gives the handle back in its destructor. An object that was moved from
 * may be destroyed or assigned to; any other use of it throws error with
 * FG_ERR_STATE, and get() gives NULL.
 *
 * Lifetimes: a device outlives its streams and loaders, a loader its batches.
 * C++ destroys in reverse order of declaration, so declare them in this order:
 * device, stream, loader; or loader, then a stream of the loader's device.
 *
 * Threads: as the C headers say for each function. An object is used by one
 * thread at a time; loader::cancel and loader::stats by any.
 *
 * Callbacks given to the C API (decode, log, verify) must not throw.
 */
#ifndef FEEDGPU_FEEDGPU_HPP
#define FEEDGPU_FEEDGPU_HPP

#include <feedgpu/dataset.hpp>
#include <feedgpu/device.hpp>
#include <feedgpu/error.hpp>
#include <feedgpu/feeder.hpp>
#include <feedgpu/feedgpu.h>
#include <feedgpu/loader.hpp>
#include <feedgpu/process.hpp>
#include <feedgpu/shard.hpp>
#include <feedgpu/topology.hpp>

#endif /* FEEDGPU_FEEDGPU_HPP */
