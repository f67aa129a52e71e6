#!/bin/sh
# Prepares a machine for tango and tests it: provision.sh STEP...
#
#   host       what the kernel matrix needs on the machine that boots the guests
#   vagrant    what checking the Vagrantfile needs there
#   packages   what tango, containerd and the tests need at run time
#   kernel V   Debian: the newest kernel of suite V (such as trixie-backports)
#   toolchain  what building needs
#   build      builds everything in $TANGO_SRC, installs shim and containerd
#   test       make test in $TANGO_SRC
#
# Vagrant runs it on its machines, and the matrix (go run ./vm) runs `packages`
# to make the disk of its guests, and all but `test` in a chroot with
# `go run ./vm provision`. Debian, Ubuntu and Fedora.
set -eu

TANGO_SRC=${TANGO_SRC:-/tango}
export DEBIAN_FRONTEND=noninteractive

# again runs a command that downloads, up to four times: mirrors have bad minutes.
again() {
	for pause in 5 20 60; do
		"$@" && return
		echo "provision: trying again in $pause s: $*" >&2
		sleep $pause
	done
	"$@"
}

# install APT-NAMES -- DNF-NAMES
install_packages() {
	apt_names=${1%% -- *}
	dnf_names=${1##* -- }
	if command -v apt-get >/dev/null; then
		again apt-get -q update
		# shellcheck disable=SC2086 # names, one word each
		again apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends $apt_names
	elif command -v dnf >/dev/null; then
		# shellcheck disable=SC2086
		dnf -q install -y $dnf_names
	else
		echo "provision: neither apt-get nor dnf here" >&2
		exit 1
	fi
}

# missing says whether any of the programs is not there.
missing() {
	for program; do
		command -v "$program" >/dev/null || return 0
	done
	return 1
}

step_host() {
	missing qemu-system-x86_64 debootstrap depmod xz zstd mkfs.ext4 unshare || return 0
	install_packages "qemu-system-x86 debootstrap debian-archive-keyring kmod xz-utils zstd e2fsprogs util-linux -- qemu-system-x86-core debootstrap debian-keyring kmod xz zstd e2fsprogs util-linux"
}

step_vagrant() {
	missing vagrant || return 0
	install_packages "vagrant vagrant-libvirt -- vagrant vagrant-libvirt"
}

step_packages() {
	install_packages "systemd systemd-sysv dbus libseccomp2 kmod iptables iproute2 procps e2fsprogs erofs-utils busybox-static apparmor secilc numactl ca-certificates -- systemd dbus libseccomp kmod iptables-nft iproute procps-ng e2fsprogs erofs-utils busybox secilc numactl ca-certificates"
}

step_kernel() {
	echo "deb http://deb.debian.org/debian $1 main" >/etc/apt/sources.list.d/tango-kernel.list
	again apt-get -q update
	again apt-get -q install -y --no-install-recommends -t "$1" linux-image-amd64
}

# An older Go of the distribution fetches the one that go.mod asks for.
step_toolchain() {
	install_packages "golang-go gcc libc6-dev libseccomp-dev pkg-config make git -- golang gcc glibc-devel libseccomp-devel pkgconf make git"
	if ! go version 2>/dev/null | grep -qE 'go1\.(2[1-9]|[3-9])' && grep -qs bookworm /etc/os-release; then
		echo "deb http://deb.debian.org/debian bookworm-backports main" >/etc/apt/sources.list.d/tango-go.list
		again apt-get -q update
		again apt-get -q install -y --no-install-recommends -t bookworm-backports golang-go
	fi
}

step_build() {
	cd "$TANGO_SRC"
	GOTOOLCHAIN=auto make build tools
	install -m 755 bin/containerd-shim-tango-v2 bin/tango bin/tools/* /usr/local/bin/
}

step_test() {
	cd "$TANGO_SRC"
	GOTOOLCHAIN=auto make test
}

while [ $# -gt 0 ]; do
	case $1 in
	kernel)
		step_kernel "$2"
		shift
		;;
	host | vagrant | packages | toolchain | build | test) "step_$1" ;;
	*)
		echo "provision: unknown step $1" >&2
		exit 2
		;;
	esac
	shift
done
