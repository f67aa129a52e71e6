#!/bin/bash
# Installs the Debian packages that building and testing need and that are
# missing. Without root or apt-get it names them and fails.
set -eu

# package:how to see that it is there
wanted=(
	"gcc:command -v gcc"
	"libc6-dev:test -e /usr/include/stdio.h"
	"pkg-config:command -v pkg-config"
	"libseccomp-dev:pkg-config --exists libseccomp"
	"busybox-static:busybox_is_static"
)
# Without these only some tests cannot run, and some comparisons be made; those say so.
optional=("criu:command -v criu" "crun:command -v crun" "xfsprogs:command -v mkfs.xfs")

# The plain busybox package puts a dynamic program at the same path.
busybox_is_static() {
	[ -x /bin/busybox ] && ! { LC_ALL=C ldd /bin/busybox 2>/dev/null || true; } | grep -q '=>'
}

missing_of() {
	local entry
	for entry in "$@"; do
		eval "${entry#*:}" >/dev/null 2>&1 || printf '%s ' "${entry%%:*}"
	done
}

missing=$(missing_of "${wanted[@]}")
lacking=$(missing_of "${optional[@]}")
# Debian 12's criu cannot run on kernels from 6.13 on. A newer one is fetched then
# and kept in bin/criu, once, where only the tests look.
newer_criu() {
	local into
	into=$(dirname "$0")/../bin/criu
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
	[ ! -e "$into" ] && ! criu check >/dev/null 2>&1 || return 0
	echo "fetching a criu that knows this kernel into bin/criu"
	if ! "$(dirname "$0")/conformance/debian-criu" "$into" >/dev/null; then
		echo "criu cannot be had here: tests that need it will say so" >&2
		rm -rf "$into" && mkdir -p "$into"
	fi
}
if [ -z "$missing$lacking" ]; then
	newer_criu
	exit 0
fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	[ -z "$lacking" ] || echo "optional, not installed: $lacking" >&2
	[ -n "$missing" ] || exit 0
	echo "These packages are missing (names as in Debian): $missing" >&2
	echo "Install them, or run make as root on Debian, where it does it itself." >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt_update() { apt-get update -qq || echo "apt-get update failed: trying with the lists that are there" >&2; }
if [ -n "$missing" ]; then
	echo "installing: $missing"
	apt_update
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
for package in $lacking; do
	# Asked in vain once is enough until `make clean`: apt-get update takes time.
	note=$(dirname "$0")/../bin/.without-$package
	[ ! -e "$note" ] || continue
	echo "installing: $package (optional)"
	[ -n "$missing" ] || apt_update
	if ! apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1; then
		echo "$package cannot be installed here: tests that need it will say so"
		mkdir -p "${note%/*}" && touch "$note"
	fi
done
newer_criu
