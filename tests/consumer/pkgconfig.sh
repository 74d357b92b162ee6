#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pkgconfig.sh STAGE STANDARD KIND CC CXX [FLAGS...]: build and run the
# consumer with what pkg-config says about the install in STAGE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stage=$1 standard=$2 kind=$3 cc=$4 cxx=$5
shift 5

pc=$(find "$stage" -name feedgpu.pc)
PKG_CONFIG_PATH=$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH

case $standard in
cxx*) compiler=$cxx language=c++ std=c++${standard#cxx} ;;
*) compiler=$cc language=c std=$standard ;;
esac
case $kind in
shared) libs=$(pkg-config --libs feedgpu) ;;
static)
    # Only this library is taken from its archive, the system's as they come.
    libs=$(pkg-config --static --libs feedgpu |
        sed 's/-lfeedgpu/-l:libfeedgpu.a/g')
    ;;
esac
# It is escaped for a shell, too.
libdir=
eval "libdir=$(pkg-config --variable=libdir feedgpu)"
program=$stage.pkgconfig_${standard}_$kind

# pkg-config escapes for a shell, so one has to read its words.
eval "set -- \"\$@\" $(pkg-config --cflags feedgpu)"
eval "\"$compiler\" -std=$std -Wall -Wextra -Wpedantic -Werror \"\$@\" \
    -x $language \"$here/main.c\" -x none -o \"$program\" $libs"
LD_LIBRARY_PATH=$libdir exec "$program"
