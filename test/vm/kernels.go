package main

// kernel is one kernel of the matrix: the newest package of a version in any of
// the suites that the private apt root reads.
type kernel struct {
	Version string // such as 6.12: a prefix of the package's version
	Suite   string // where it is at home, for people who read this table
}

// kernels are what `make matrix` boots, oldest first.
var kernels = []kernel{
	{Version: "6.1", Suite: "bookworm"},
	{Version: "6.12", Suite: "trixie"},
	{Version: "7.2", Suite: "sid"},
	{Version: "7.3", Suite: "trixie-backports"},
}

// suites are where kernels are looked for.
var suites = []string{"bookworm", "bookworm-backports", "trixie", "trixie-backports", "forky", "sid"}

// bootModules are loaded before a guest mounts its disk; what is built in on a
// kernel, or unknown to it, is left out. loop is for tests: where no udev runs,
// nothing makes the /dev/loop-control that would load it.
var bootModules = []string{"virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay", "loop"}

// moreModules are in the guest as well, for modprobe and for the kernel's own
// requests.
var moreModules = []string{
	"erofs", "squashfs", "xfs", "btrfs", "isofs", "fuse",
	"veth", "bridge", "dummy", "tun", "xfrm_user",
	"autofs4", "efivarfs", "nfnetlink", "nf_tables", "nft_compat", "nft_chain_nat", "xt_MASQUERADE", "xt_comment", "xt_addrtype", "ip_tables", "iptable_nat", "iptable_filter",
}
