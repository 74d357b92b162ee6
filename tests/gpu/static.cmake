# SPDX-License-Identifier: Apache-2.0
# Run at the end of project() by pack.sh and accept.sh: prefer static
# libraries, so that the programs can be carried to another machine. The C
# library stays dynamic: the CUDA runtime opens the driver with dlopen.
if(UNIX)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
  set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")
  set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -static-libgcc")
endif()
