# SPDX-License-Identifier: Apache-2.0
# What we stand on. Each is used by one file only (see docs/architecture.md).

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(LIBNUMA REQUIRED IMPORTED_TARGET numa)
pkg_check_modules(LIBZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LIBXXHASH REQUIRED IMPORTED_TARGET libxxhash)
# Debian's libxxhash.so has the dispatching entry points, its libxxhash.a has
# not: switch this off to link that.
option(FEEDGPU_XXH_DISPATCH "Hash with AVX2 or AVX-512 where there is one" ON)
set(FEEDGPU_HAVE_XXH_DISPATCH FALSE)
if(FEEDGPU_XXH_DISPATCH)
  include(CheckSymbolExists)
  set(CMAKE_REQUIRED_LIBRARIES PkgConfig::LIBXXHASH)
  check_symbol_exists(XXH3_64bits_dispatch xxh_x86dispatch.h
    FEEDGPU_XXH_DISPATCH_FOUND)
  unset(CMAKE_REQUIRED_LIBRARIES)
  set(FEEDGPU_HAVE_XXH_DISPATCH ${FEEDGPU_XXH_DISPATCH_FOUND})
endif()

set(FEEDGPU_HAVE_CUDA FALSE)
if(NOT FEEDGPU_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND AND TARGET CUDA::cudart_static)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
      set(FEEDGPU_HAVE_CUDA TRUE)
    endif()
  endif()
  if(FEEDGPU_CUDA STREQUAL "ON" AND NOT FEEDGPU_HAVE_CUDA)
    message(FATAL_ERROR
      "FEEDGPU_CUDA=ON, but no CUDA toolkit with nvcc was found "
      "(set CUDAToolkit_ROOT or put nvcc on PATH)")
  endif()
endif()
if(FEEDGPU_HAVE_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
endif()
message(STATUS "feedgpu: cuda device: ${FEEDGPU_HAVE_CUDA}")
