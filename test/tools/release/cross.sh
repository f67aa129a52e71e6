#!/bin/bash
# Builds the programs for another architecture, on Debian: cross.sh ARCH BIN, with
# TAGS and LDFLAGS as the Makefile has them. libseccomp comes from that architecture's
# Debian package, into BIN/sysroot, without being installed.
set -eu -o pipefail
arch=$1
top=$(cd "$(dirname "$0")/../../.." && pwd)
mkdir -p "$2"
bin=$(cd "$2" && pwd)

case $arch in
arm64) triple=aarch64-linux-gnu ;;
*)
	echo "cannot build for $arch: only arm64 is known here" >&2
	exit 1
	;;
esac
echo '#include <stdio.h>' | "$triple-gcc" -E - >/dev/null 2>&1 || {
	echo "cannot build for $arch without a compiler and its C library: apt-get install gcc-$triple libc6-dev-$arch-cross" >&2
	exit 1
}

# Everything of apt's is in a directory of its own: the machine's packages stay as
# they are.
fetch() {
	local apt mirror
	apt=$(mktemp -d)
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/*$' || echo http://deb.debian.org/debian)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror ${CROSS_SUITE:-bookworm} main" >"$apt/sources.list"
	get() {
		(cd "$apt" && apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
			-o Acquire::Languages=none -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status=/dev/null \
			-o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent "$@")
	}
	get update
	get download libseccomp-dev
	dpkg -x "$apt"/libseccomp-dev_*.deb "$bin/sysroot"
	rm -rf "$apt"
}
[ -e "$bin/sysroot/usr/lib/$triple/libseccomp.a" ] || fetch

export GOARCH=$arch CGO_ENABLED=1 CC=$triple-gcc
export PKG_CONFIG_SYSROOT_DIR=$bin/sysroot PKG_CONFIG_LIBDIR=$bin/sysroot/usr/lib/$triple/pkgconfig
cd "$top"
flags=(-trimpath -buildvcs=false -tags "$TAGS" -ldflags "$LDFLAGS")
go build "${flags[@]}" -o "$bin/tango-init" ./shim/container/initexe/tango-init
# The shim embeds this one, not what was built for this machine.
program=$top/shim/container/initexe/program/tango-init.gz
gzip -9nc "$bin/tango-init" >"$bin/tango-init.gz"
echo "{\"Replace\": {\"$program\": \"$bin/tango-init.gz\"}}" >"$bin/overlay.json"
go build "${flags[@]}" -overlay "$bin/overlay.json" -o "$bin/" ./shim/cmd/...
cd test
CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags 'netgo osusergo' -ldflags '-s -w' -o "$bin/tango-bench" ./bench
