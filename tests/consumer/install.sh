#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh CMAKE BUILD_DIR STAGE: install, then move what was installed.
set -eu
cmake=$1 build=$2 stage=$3

rm -rf "$stage" "$stage.first"
"$cmake" --install "$build" --prefix "$stage.first"
mv "$stage.first" "$stage"
if grep -rlI "$stage.first" "$stage"; then
    echo "install.sh: the files above remember where they were installed" >&2
    exit 1
fi
