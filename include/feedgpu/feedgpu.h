/* SPDX-License-Identifier: Apache-2.0 */
/* All of libfeedgpu's public API in C. In C++: <feedgpu/feedgpu.hpp>. */
#ifndef FEEDGPU_FEEDGPU_H
#define FEEDGPU_FEEDGPU_H

#include <feedgpu/batch.h>
#include <feedgpu/dataset.h>
#include <feedgpu/device.h>
#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/feeder.h>
#include <feedgpu/field.h>
#include <feedgpu/loader.h>
#include <feedgpu/log.h>
#include <feedgpu/measure.h>
#include <feedgpu/process.h>
#include <feedgpu/shard.h>
#include <feedgpu/stats.h>
#include <feedgpu/sysroot.h>
#include <feedgpu/topology.h>
#include <feedgpu/version.h>

#endif /* FEEDGPU_FEEDGPU_H */
