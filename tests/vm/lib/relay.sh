# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# A part of numa-vm: vmctl's other end.

# --- vmctl's other end -------------------------------------------------------

# Not a direct line from the guest's port to the monitor: until the guest has
# switched its port to raw mode, it would echo the monitor's greeting back.
relay() {
    local line request answer verdict
    exec 3<"$work/mon.out" 4>"$work/mon.in" 5<"$work/ctl.out" 6>"$work/ctl.in"
    ask() { # ask QMP-REQUEST : sets answer; events in between are dropped
        printf '%s\n' "$1" >&4
        while IFS= read -r answer <&3; do
            [[ $answer != '{"return"'* && $answer != '{"error"'* ]] || return 0
        done
    }
    ask '{"execute":"qmp_capabilities"}'
    while IFS= read -r line <&5; do
        if [ "$line" = .end ]; then
            # The guest is done.  If QEMU does not end with it, then it
            # waits for a request that was left hanging.
            read -r -t 4 line <&5 || (($? <= 128)) ||
                kill -KILL "$(cat "$work/pid")"
            return
        fi
        request=$line
        if [[ $line != '{'* ]]; then # not QMP: for the human monitor
            line=${line//\\/\\\\}
            request='{"execute":"human-monitor-command","arguments":'
            request+='{"command-line":"'${line//\"/\\\"}'"}}'
        fi
        ask "$request"
        answer=${answer%$'\r'} verdict=ok
        # A string: undo JSON's escapes.
        if [[ $answer == '{"return": "'* ]]; then
            answer=${answer#'{"return": "'}
            answer=${answer%'"}'}
            answer=${answer//'\r'/}
            answer=$(printf '%b' "${answer//'\"'/\"}")
        fi
        [[ $answer != '{"error"'* && $answer != Error:* &&
            $answer != 'unknown command'* ]] || verdict=error
        # Two dots before each line of the answer, one before the verdict.
        [ -z "$answer" ] || printf '..%s\n' "${answer//$'\n'/$'\n'..}" >&6
        printf '.%s\n' "$verdict" >&6
    done
}
