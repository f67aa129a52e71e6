package rootfs

import (
	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// Flags are the generic mount options, those that no filesystem has for itself.
type Flags uint32

// The generic options by their fstab names.
const (
	FlagReadOnly    Flags = 1 << iota // ro
	FlagNoSuid                        // nosuid
	FlagNoDev                         // nodev
	FlagNoExec                        // noexec
	FlagNoAtime                       // noatime
	FlagRelAtime                      // relatime, which is the default anyway
	FlagStrictAtime                   // strictatime; wins over the two before
	FlagNoDirAtime                    // nodiratime
	FlagSync                          // sync
	FlagDirSync                       // dirsync
	FlagMandatory                     // mand; without effect since Linux 5.15
)

// flagOption is what an option does to the flags.
type flagOption struct {
	name  string
	flag  Flags
	clear bool
}

// flagOptions are containerd's (core/mount/mount_linux.go, parseMountOptions),
// those that set a flag first and in the order they are rendered.
var flagOptions = []flagOption{
	{"ro", FlagReadOnly, false},
	{"nosuid", FlagNoSuid, false},
	{"nodev", FlagNoDev, false},
	{"noexec", FlagNoExec, false},
	{"noatime", FlagNoAtime, false},
	{"relatime", FlagRelAtime, false},
	{"strictatime", FlagStrictAtime, false},
	{"nodiratime", FlagNoDirAtime, false},
	{"sync", FlagSync, false},
	{"dirsync", FlagDirSync, false},
	{"mand", FlagMandatory, false},
	{"rw", FlagReadOnly, true},
	{"suid", FlagNoSuid, true},
	{"dev", FlagNoDev, true},
	{"exec", FlagNoExec, true},
	{"atime", FlagNoAtime, true},
	{"norelatime", FlagRelAtime, true},
	{"nostrictatime", FlagStrictAtime, true},
	{"diratime", FlagNoDirAtime, true},
	{"async", FlagSync, true},
	{"nomand", FlagMandatory, true},
	{"defaults", 0, false},
}

// set applies an option to the flags and tells whether it was a generic one.
func (f *Flags) set(option string) bool {
	for _, o := range flagOptions {
		if o.name != option {
			continue
		}
		if o.clear {
			*f &^= o.flag
		} else {
			*f |= o.flag
		}
		return true
	}
	return false
}

func (f Flags) options() []string {
	var names []string
	for _, o := range flagOptions {
		if !o.clear && f&o.flag != 0 {
			names = append(names, o.name)
		}
	}
	return names
}

// attrs are the flags that belong to the mount. The precedence among access time
// modes is mount(2)'s (path_mount in fs/namespace.c).
func (f Flags) attrs() kernel.MountAttr {
	var attrs kernel.MountAttr
	for _, bit := range []struct {
		flag Flags
		attr kernel.MountAttr
	}{
		{FlagReadOnly, kernel.AttrReadOnly},
		{FlagNoSuid, kernel.AttrNoSuid},
		{FlagNoDev, kernel.AttrNoDev},
		{FlagNoExec, kernel.AttrNoExec},
		{FlagNoDirAtime, kernel.AttrNoDirAtime},
	} {
		if f&bit.flag != 0 {
			attrs |= bit.attr
		}
	}
	switch {
	case f&FlagStrictAtime != 0:
		attrs |= kernel.AttrStrictAtime
	case f&FlagNoAtime != 0:
		attrs |= kernel.AttrNoAtime
	}
	return attrs
}

// superblock are the flags that belong to the filesystem, by the names fsconfig
// knows (common_set_sb_flag in fs/fs_context.c).
func (f Flags) superblock() []string {
	return (f & (FlagReadOnly | FlagSync | FlagDirSync | FlagMandatory)).options()
}

// legacy are all flags as mount(2) takes them.
func (f Flags) legacy() uintptr {
	var flags uintptr
	for _, bit := range []struct {
		flag   Flags
		legacy uintptr
	}{
		{FlagReadOnly, unix.MS_RDONLY},
		{FlagNoSuid, unix.MS_NOSUID},
		{FlagNoDev, unix.MS_NODEV},
		{FlagNoExec, unix.MS_NOEXEC},
		{FlagNoAtime, unix.MS_NOATIME},
		{FlagRelAtime, unix.MS_RELATIME},
		{FlagStrictAtime, unix.MS_STRICTATIME},
		{FlagNoDirAtime, unix.MS_NODIRATIME},
		{FlagSync, unix.MS_SYNCHRONOUS},
		{FlagDirSync, unix.MS_DIRSYNC},
		{FlagMandatory, unix.MS_MANDLOCK},
	} {
		if f&bit.flag != 0 {
			flags |= bit.legacy
		}
	}
	return flags
}
