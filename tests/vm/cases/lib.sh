# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154
# What the cases share. They run in the guest, in busybox's shell.
#
#     begin NAME           a case starts
#     expect WORDS... -- CONDITION...   note a failure unless it holds
#     end                  print "ok NAME", or "not ok NAME" and the last output
#
# The last line is "done N": a guest that dies says less.

count=0 failed=0

begin()
{
    name=$1 faults=''
    : >/tmp/out
    : >/tmp/err
}

expect()
{
    words=''
    while [ "$1" != -- ]; do
        words="$words $1"
        shift
    done
    shift
    "$@" || faults="$faults;$words"
}

end()
{
    count=$((count + 1))
    if [ -z "$faults" ]; then
        echo "ok $name"
        return
    fi
    failed=$((failed + 1))
    echo "not ok $name:${faults#;}"
    sed 's/^/#   out: /' /tmp/out | tail -n 4
    sed 's/^/#   err: /' /tmp/err | tail -n 4
}

finish()
{
    dmesg | grep -i 'killed process' | sed 's/^/# /'
    echo "done $count"
    [ "$failed" -eq 0 ]
}

# bench OPTION...: a short run; the report's last line is in /tmp/out.
bench()
{
    status=0
    # shellcheck disable=SC2086 # words on purpose
    $prefix feedgpu bench --json --record-bytes 65536 --batch-size 16 \
        --threads 2 "$@" >/tmp/all 2>/tmp/err || status=$?
    tail -n 1 /tmp/all >/tmp/out
}

# value KEY: a number, or a text without its quotes, of the report.
value()
{
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" /tmp/out
}

# All pages are on node $1, which is the home node.
all_at_home()
{
    [ "$status" -eq 0 ] && [ "$(value home_node)" = "$1" ] &&
        [ "$(value pages)" -gt 0 ] &&
        [ "$(value pages)" = "$(value pages_on_home_node)" ] &&
        grep -q '"elsewhere":\[\]' /tmp/out
}

is()
{
    [ "$(value "$1")" = "$2" ]
}

says()
{
    grep -q -e "$1" /tmp/out /tmp/err
}

# measure OPTION...: doctor --measure; its JSON lines are in /tmp/all.
measure()
{
    status=0
    # shellcheck disable=SC2086 # words on purpose
    $prefix feedgpu doctor --measure --json --measure-bytes 4MiB "$@" \
        >/tmp/all 2>/tmp/err || status=$?
    tail -n 1 /tmp/all >/tmp/out
}

# lines TEXT...: how many lines of the measurement have all of the texts.
lines()
{
    cp /tmp/all /tmp/some
    for text in "$@"; do
        grep -e "$text" /tmp/some >/tmp/fewer
        mv /tmp/fewer /tmp/some
    done
    wc -l </tmp/some
}

# Every measurement's pages were counted, and are on its memory node.
all_pages_proven()
{
    grep '"what":"[mc]' /tmp/all | grep -v '"error"' |
        sed 's/.*"pages":\([0-9]*\),"pages_on_node":\([0-9]*\),.*/\1 \2/' \
            >/tmp/pages
    [ -s /tmp/pages ] && while read -r pages there; do
        [ "$pages" -gt 0 ] && [ "$pages" = "$there" ] || return 1
    done </tmp/pages
}

nobody_was_killed()
{
    ! dmesg | grep -qi 'killed process'
}
