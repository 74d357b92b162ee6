# SPDX-License-Identifier: Apache-2.0
# Warnings, hardening, sanitizers and the layer helper. Warnings are private
# to our targets; sanitizers and coverage are the whole build's.

add_library(feedgpu_flags INTERFACE)
target_compile_definitions(feedgpu_flags INTERFACE _GNU_SOURCE)
target_compile_options(feedgpu_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow -Wpointer-arith
    -Wcast-qual -Wformat=2 -Wundef -Wvla -fno-common
    -fvisibility=hidden>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition>)
# Kernels need no C++ library, so neither do programs that link ours.
target_compile_options(feedgpu_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fno-threadsafe-statics>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fno-exceptions>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fvisibility=hidden>")
if(FEEDGPU_WERROR)
  target_compile_options(feedgpu_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
endif()

# Shards come from elsewhere: release code checks its stack and its copies.
# (Sanitizers do more, and the two do not mix.)
if(NOT FEEDGPU_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(feedgpu_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-fstack-protector-strong>
    $<$<COMPILE_LANGUAGE:C,CXX>:-U_FORTIFY_SOURCE>
    $<$<COMPILE_LANGUAGE:C,CXX>:-D_FORTIFY_SOURCE=2>)
endif()

# A list in a generator expression needs one expression per word here.
if(FEEDGPU_SANITIZE)
  foreach(_flag -fsanitize=${FEEDGPU_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${_flag}>")
  endforeach()
  add_link_options(-fsanitize=${FEEDGPU_SANITIZE})
endif()
if(FEEDGPU_FUZZ)
  # Coverage for libFuzzer; the targets themselves link -fsanitize=fuzzer.
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>")
endif()
if(FEEDGPU_SANITIZE OR FEEDGPU_FUZZ)
  # Asserts belong to what these builds are for.
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-UNDEBUG>")
endif()
if(FEEDGPU_COVERAGE)
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:--coverage>")
  add_link_options(--coverage)
endif()

# feedgpu_layer(NAME sources...): an object library that every later target
# is made from.
function(feedgpu_layer name)
  add_library(${name} OBJECT ${ARGN})
  target_include_directories(${name} PRIVATE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE feedgpu_flags)
endfunction()
