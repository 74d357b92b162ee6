#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts.sh ROOT: shellcheck over every shell script of the tree.
set -eu
root=$1

if ! command -v shellcheck >/dev/null 2>&1; then
    echo "shellcheck is not installed"
    exit 77
fi
cd "$root"
find . \( -path './.git' -o -path './build*' -o -path './out' \) -prune -o \
    -type f -print | sort | while IFS= read -r path; do
    case $path in
    *.sh) echo "$path" ;;
    */*.*) ;;
    *)
        if head -n 1 "$path" | grep -q '^#!.*sh$'; then
            echo "$path"
        fi
        ;;
    esac
done | xargs -d '\n' shellcheck -x -S warning
