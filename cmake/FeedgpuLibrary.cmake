# SPDX-License-Identifier: Apache-2.0
# The two libraries that are made of the layers.

set(_layers feedgpu_base feedgpu_io feedgpu_gpu feedgpu_runtime)
set(_links Threads::Threads PkgConfig::LIBURING PkgConfig::LIBNUMA
  PkgConfig::LIBZSTD PkgConfig::LIBXXHASH)
if(FEEDGPU_HAVE_CUDA)
  list(APPEND _links CUDA::cudart_static)
endif()

add_library(feedgpu SHARED)
add_library(feedgpu_static STATIC)
foreach(_lib feedgpu feedgpu_static)
  foreach(_layer ${_layers})
    target_sources(${_lib} PRIVATE $<TARGET_OBJECTS:${_layer}>)
  endforeach()
  target_link_libraries(${_lib} PRIVATE ${_links})
  target_include_directories(${_lib} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
add_library(feedgpu::feedgpu ALIAS feedgpu)
