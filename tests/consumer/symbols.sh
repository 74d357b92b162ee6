#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# symbols.sh LIBRARY INCLUDE NM: what the shared library exports is exactly
# what the public headers mark with FG_EXPORT.
set -eu
library=$1 include=$2 nm=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Absolute symbols are the names of the version script's nodes.
"$nm" -D --defined-only "$library" | awk '$2 != "A" {print $3}' |
    sed 's/@.*//' | sort -u >"$work/exported"

# A prototype begins with FG_EXPORT and its name comes before the first "(".
cat "$include"/feedgpu/*.h | tr '\n' ' ' | sed 's/FG_EXPORT/\n&/g' |
    sed -n 's/^FG_EXPORT [^(]*[ *]\(fg_[a-z0-9_]*\)(.*/\1/p' |
    sort -u >"$work/declared"

status=0
if ! [ -s "$work/declared" ]; then
    echo "symbols: no FG_EXPORT function found in $include" >&2
    status=1
fi
for name in $(comm -13 "$work/declared" "$work/exported"); do
    echo "symbols: $name: exported, but in no public header" >&2
    status=1
done
for name in $(comm -23 "$work/declared" "$work/exported"); do
    echo "symbols: $name: in a public header, but not exported" >&2
    status=1
done
exit $status
