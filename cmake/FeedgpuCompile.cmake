# SPDX-License-Identifier: Apache-2.0
# Warnings, sanitizers and the layer helper. All private to our targets.

add_library(feedgpu_flags INTERFACE)
target_compile_definitions(feedgpu_flags INTERFACE _GNU_SOURCE)
target_compile_options(feedgpu_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow -Wpointer-arith
    -Wcast-qual -Wformat=2 -Wundef -Wvla -fno-common
    -fvisibility=hidden>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition>)
if(FEEDGPU_WERROR)
  target_compile_options(feedgpu_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
endif()
if(FEEDGPU_SANITIZE)
  set(_sanitize "-fsanitize=${FEEDGPU_SANITIZE}" -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:${_sanitize}>)
  add_link_options(-fsanitize=${FEEDGPU_SANITIZE})
endif()
if(FEEDGPU_COVERAGE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:--coverage>)
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
