#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/quickstart.sh, tests/run.sh and .ci/run: find out which
# Debian or Ubuntu packages are missing, and install those, as root or through
# sudo. When nothing is missing it does nothing, and quickly.
#
#     need_command cmake cmake         a program, and the package that has it
#     need_module liburing liburing-dev   a pkg-config module, likewise
#     need_package libc6-dev           a package as such
#     install_needed                   or say what is missing, and stop

needed_packages=()

need_command()
{
    command -v "$1" >/dev/null 2>&1 || needed_packages+=("$2")
}

need_module()
{
    pkg-config --exists "$1" 2>/dev/null || needed_packages+=("$2")
}

need_package()
{
    command -v dpkg-query >/dev/null 2>&1 || return 0
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null |
        grep -q '^install ok installed$' || needed_packages+=("$1")
}

# What every build needs.
need_build_packages()
{
    need_command cc gcc
    need_command c++ g++
    need_package libc6-dev
    need_command cmake cmake
    need_command ninja ninja-build
    need_command pkg-config pkg-config
    need_module liburing liburing-dev
    need_module numa libnuma-dev
    need_module libzstd libzstd-dev
    need_module libxxhash libxxhash-dev
    need_module jansson libjansson-dev
}

give_up_on_packages()
{
    printf '%s: these packages are missing: %s\n' \
        "${0##*/}" "${needed_packages[*]}" >&2
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

install_needed()
{
    local sudo=()

    if [ ${#needed_packages[@]} -eq 0 ]; then
        return 0
    fi
    command -v apt-get >/dev/null 2>&1 || give_up_on_packages \
        "no apt-get here: install them, by your system's names, and try again"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || give_up_on_packages \
            "not root, and no sudo: install them as root and try again"
        sudo=(sudo)
    fi
    echo "installing: ${needed_packages[*]}"
    "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq update ||
        echo "apt-get update failed; trying with the lists there are" >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get \
        -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends \
        "${needed_packages[@]}" >/dev/null ||
        give_up_on_packages "apt-get could not install them (see above)"
    needed_packages=()
}
