# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# What scripts/try and scripts/test share: messages, installing what is missing, building.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath -m "${BUILD_DIR:-$root/build}")
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() {
        printf '%s\n' "$*"
}

fail() {
        printf '%s: %s\n' "${0##*/}" "$*" >&2
        exit 1
}

# present KIND:NAME: whether something that scripts/packages lists is there.
present() {
        local name=${1#*:}

        case $1 in
        command:*) command -v "$name" ;;
        static:*) command -v "$name" && ! ldd "$(command -v "$name")" ;;
        library:*) pkg-config --exists "$name" ;;
        python:*) /usr/bin/python3 -c "import $name" ;;
        file:*) test -e "$name" ;;
        *) fail "scripts/packages: unknown kind in \"$1\"" ;;
        esac >/dev/null 2>&1
}

# The packages of this distribution that bring what is missing for the uses given.
missing_packages() {
        local column use need apt dnf pacman

        column=$1
        shift
        while read -r use need apt dnf pacman; do
                [[ " $* " == *" $use "* ]] || continue
                [[ ${!column} == - ]] || present "$need" || printf '%s\n' "${!column}"
        done < <(sed 's/#.*//; /^ *$/d' "$root/scripts/packages")
}

# first_of A|B: the first of them that the distribution has (apt only; elsewhere there is no choice).
first_of() {
        local name

        for name in ${1//|/ }; do
                if apt-cache show "$name" 2>/dev/null | grep -q .; then
                        break
                fi
        done
        printf '%s\n' "$name"
}

package_manager() {
        local name

        for name in apt dnf pacman; do
                command -v "$name" >/dev/null && printf '%s\n' "$name" && return
        done
}

# install_missing USE…: installs what is missing for these uses, and touches nothing otherwise.
install_missing() {
        local manager packages=() names=() name

        manager=$(package_manager)
        mapfile -t packages < <(missing_packages "${manager:-apt}" "$@")
        ((${#packages[@]})) || return 0

        [[ -n $manager ]] || fail "please install what provides: ${packages[*]}"
        [[ $EUID -eq 0 ]] || fail "needs ${packages[*]}: run it with sudo to install them"
        case $manager in
        apt)
                export DEBIAN_FRONTEND=noninteractive
                apt-get update -q ||
                        say "The package lists could not be updated; using those at hand."
                for name in "${packages[@]}"; do
                        names+=("$(first_of "$name")")
                done
                say "Installing ${names[*]}"
                apt-get install -q -y --no-install-recommends "${names[@]}"
                ;;
        dnf)
                say "Installing ${packages[*]}"
                dnf install -q -y --setopt=install_weak_deps=False "${packages[@]}"
                ;;
        pacman)
                say "Installing ${packages[*]}"
                pacman -S --needed --noconfirm "${packages[@]}"
                ;;
        esac </dev/null || fail "the packages could not be installed; see above"
}

# compile [MESON OPTION…]: configures the build directory (the options count for an older one, too)
# and compiles. Says little while it goes well. The prefix is where D-Bus looks for policies.
compile() {
        local log

        log=$(mktemp)
        if [[ ! -e $build/build.ninja ]]; then
                meson setup --prefix=/usr "$build" "$root" "$@"
        elif (($#)); then
                meson configure "$build" "$@"
        fi >"$log" 2>&1 </dev/null || {
                cat "$log"
                rm -f "$log"
                return 1
        }
        if [[ -t 1 ]]; then
                ninja -C "$build"
        else
                ninja -C "$build" >"$log" 2>&1 || {
                        cat "$log"
                        rm -f "$log"
                        return 1
                }
        fi
        rm -f "$log"
}

# Mounts tracefs where it is missing. Sets `tracefs_mounted` when it did.
need_tracefs() {
        local dir=/sys/kernel/tracing

        [[ -d $dir/events || -d /sys/kernel/debug/tracing/events ]] && return
        [[ -d $dir ]] || fail "this kernel has no tracing: boot one with CONFIG_FTRACE=y"
        mount -t tracefs nodev "$dir" || fail "tracefs cannot be mounted: run it outside of containers"
        tracefs_mounted=$dir
}
