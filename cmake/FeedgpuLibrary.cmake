# SPDX-License-Identifier: Apache-2.0
# The two libraries that are made of the layers, and their packages.

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
  target_compile_features(${_lib} PUBLIC c_std_11)
endforeach()
add_library(feedgpu::feedgpu ALIAS feedgpu)
add_library(feedgpu::feedgpu_static ALIAS feedgpu_static)

# The public headers; each must compile alone.
set(_headers batch dataset device error export feeder feedgpu field loader log
  measure process shard stats sysroot topology version)
list(TRANSFORM _headers PREPEND "${PROJECT_SOURCE_DIR}/include/feedgpu/")
list(TRANSFORM _headers APPEND ".h")
set(_headers_cxx dataset device error feeder feedgpu loader process shard
  topology)
list(TRANSFORM _headers_cxx PREPEND "${PROJECT_SOURCE_DIR}/include/feedgpu/")
list(TRANSFORM _headers_cxx APPEND ".hpp")
target_sources(feedgpu PUBLIC FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR}/include
  FILES ${_headers} ${_headers_cxx})

# Before 1.0 a minor version may break programs, so it is part of the soname.
set(_abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(_map ${PROJECT_SOURCE_DIR}/cmake/feedgpu.map)
set_target_properties(feedgpu PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${_abi}
  VERIFY_INTERFACE_HEADER_SETS ON
  LINK_DEPENDS ${_map})
set_target_properties(feedgpu_static PROPERTIES OUTPUT_NAME feedgpu)
# The kernels are compiled so that they need no C++ library.
set_target_properties(feedgpu feedgpu_static PROPERTIES LINKER_LANGUAGE C)
target_link_options(feedgpu PRIVATE
  "LINKER:--version-script=${_map}" "LINKER:--exclude-libs,ALL"
  "LINKER:-z,relro" "LINKER:-z,now")
if(NOT FEEDGPU_SANITIZE)
  target_link_options(feedgpu PRIVATE "LINKER:--no-undefined")
endif()

# Install: the shared library needs nothing else; the static one has its own
# export set, because linking it needs what the library stands on.
include(CMakePackageConfigHelpers)
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/feedgpu)
install(TARGETS feedgpu EXPORT feedgpu-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS feedgpu_static EXPORT feedgpu-static-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(_set feedgpu-targets feedgpu-static-targets)
  install(EXPORT ${_set} NAMESPACE feedgpu:: DESTINATION ${_package})
endforeach()
configure_package_config_file(cmake/feedgpu-config.cmake.in
  feedgpu-config.cmake INSTALL_DESTINATION ${_package}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(feedgpu-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/feedgpu-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/feedgpu-config-version.cmake
  DESTINATION ${_package})

# pkg-config: paths relative to the file, so that the prefix can be moved.
set(FEEDGPU_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(FEEDGPU_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
set(FEEDGPU_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH _up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
  string(REGEX REPLACE "/$" "" _up "${_up}")
  set(FEEDGPU_PC_PREFIX "\${pcfiledir}/${_up}")
  set(FEEDGPU_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(FEEDGPU_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
endif()
set(FEEDGPU_PC_REQUIRES_PRIVATE "liburing, numa, libzstd, libxxhash")
set(FEEDGPU_PC_LIBS_PRIVATE "-pthread")
if(FEEDGPU_HAVE_CUDA)
  string(APPEND FEEDGPU_PC_LIBS_PRIVATE
    " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -ldl -lrt")
endif()
configure_file(cmake/feedgpu.pc.in feedgpu.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/feedgpu.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
