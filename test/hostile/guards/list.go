package main

// guard is a check in libcontainer, or a few of them of which each would do.
type guard struct {
	name    string
	class   string   // whose fault it mends
	changes []change // that take it out
	tests   string   // that must fail then
}

// change is what becomes of a piece of a source of libcontainer's. It must be there
// exactly once.
type change struct{ file, from, to string }

// The sources that change.
const (
	roots    = "libcontainer/rootfs_linux.go"
	inits    = "libcontainer/init_linux.go"
	starts   = "libcontainer/container_linux.go"
	consoles = "libcontainer/console_linux.go"
	seals    = "libcontainer/exeseal/cloned_binary_linux.go"
	sysctls  = "internal/sys/sysctl_linux.go"
)

var guards = []guard{
	{name: "none", tests: "TestBinaryStays|TestWorkingDirectory|TestImages/(volume_over_proc|volume_in_proc|proc_is_a_link|null_is_a_link|console_is_a_link|proc_is_the_image|mount_point_is_an_absolute)"},
	{name: "the binary is sealed", class: "CVE-2019-5736", tests: "TestBinaryStays", changes: []change{
		{seals, "const baseMemfdSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE", "const baseMemfdSeals = unix.F_SEAL_SEAL"},
		{seals, "const F_SEAL_EXEC = 0x20 ", "const F_SEAL_EXEC = 0 "}, // it implies those
	}},
	{name: "nothing may be mounted over /proc", class: "CVE-2019-16884", tests: "TestImages/volume_(over|in)_proc", changes: []change{
		{roots, "	const procPath = \"/proc\"\n", "	const procPath = \"/proc-without-guard\"\n"},
	}},
	{name: "/proc must be a directory", class: "CVE-2023-27561", tests: "TestImages/proc_is_a_link_inside", changes: []change{
		{roots, "} else if !fi.IsDir() {\n			return fmt.Errorf(\"filesystem %q must be mounted on ordinary directory\", m.Device)", "} else if fi == nil {\n			return nil"},
	}},
	{name: "mount points are looked up in the root", class: "CVE-2021-30465, CVE-2024-45310", tests: "TestImages/mount_point_is_an_absolute|TestSwappedMountPoint", changes: []change{
		{roots, "dstFile, err := pathrs.OpenInRoot(root, unsafePath, unix.O_PATH)\n	defer", "dstFile, err := os.OpenFile(filepath.Join(rootfs, unsafePath), unix.O_PATH, 0)\n	defer"},
		{roots, "if !pathrs.IsLexicallyInRoot(rootfs, dstFullPath) {", "if dstFullPath == \"\" {"},
		{roots, "if !pathrs.IsLexicallyInRoot(rootfs, fullPath) {", "if fullPath == \"\" {"},
		{roots, "reopened, err := pathrs.OpenInRoot(rootFd, unsafePath, flags)", "reopened, err := os.OpenFile(fullPath, flags, 0)"},
	}},
	// The fault itself, a descriptor of the host's that gets into init, comes back with
	// the guards gone that would have it do no harm.
	{name: "the working directory is inside", class: "CVE-2024-21626", tests: "TestWorkingDirectory", changes: []change{
		{starts, "if err := utils.CloseExecFrom(3); err != nil {", "if _, err := unix.Open(\"/sys/fs/cgroup\", unix.O_DIRECTORY, 0); err != nil {"},
		{inits, "if err := verifyCwd(); err != nil {", "if err := error(nil); err != nil {"},
	}},
	{name: "/dev/null must be the device", class: "CVE-2025-31133", tests: "TestImages/null_is_a_link_to_proc", changes: []change{
		{roots, "func verifyDevNull(f *os.File) error {\n", "func verifyDevNull(f *os.File) error {\n	if f != nil {\n		return nil\n	}\n"},
	}},
	{name: "/dev/console is not looked for behind links", class: "CVE-2025-52565", tests: "TestImages/console_is_a_link_inside", changes: []change{
		{consoles, "os.OpenFile(\"/dev/console\", unix.O_NOFOLLOW|unix.O_CREAT|unix.O_CLOEXEC, 0o666)", "os.OpenFile(\"/dev/console\", unix.O_CREAT|unix.O_CLOEXEC, 0o666)"},
	}},
	{name: "what is written to /proc is written to a procfs", class: "CVE-2025-52881", tests: "TestImages/proc_is_the_image's", changes: []change{
		{sysctls, "procfsOpenRoot(proc, \"sys/\"+keyPath, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC)", "os.OpenFile(\"/proc/sys/\"+keyPath, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)"},
	}},
}
