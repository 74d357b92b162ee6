#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh EXPECTED WRITER PROGRAM [ARGUMENT...]: make the examples' dataset in
# ./data with WRITER ("-": leave the folder empty), run the program in this
# folder, and compare what it prints with the file EXPECTED. The
# first line of EXPECTED is the exit status.
set -eu
expected=$1 writer=$2
shift 2

rm -rf data
mkdir data
if [ "$writer" != - ]; then
    "$writer" data 1000 >/dev/null
fi
status=0
"$@" >output 2>&1 || status=$?
if [ "$status" -eq 77 ]; then
    cat output
    exit 77
fi
{ echo "exit status $status" && cat output; } >actual
diff -u "$expected" actual
