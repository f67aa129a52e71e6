package host

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// showArgs has /proc/PID/cmdline show other arguments than the process was executed
// with: people, and their tools, find a shim by them. They lie in pages of their own
// from then on.
func showArgs(args []string) error {
	line := strings.Join(args, "\x00") + "\x00"
	pages, err := unix.Mmap(-1, 0, len(line), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("cannot make room for other arguments: %w", err)
	}
	copy(pages, line)
	m, err := memoryMap()
	if err != nil {
		return err
	}
	m.argStart = uint64(uintptr(unsafe.Pointer(&pages[0])))
	m.argEnd = m.argStart + uint64(len(line))
	err = unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_MAP, uintptr(unsafe.Pointer(m)), unsafe.Sizeof(*m), 0)
	if err != nil {
		return fmt.Errorf("cannot show other arguments: %w", err)
	}
	return nil
}

// prctlMemoryMap is struct prctl_mm_map, all of which is set at once (prctl(2),
// PR_SET_MM_MAP; Linux 3.18 with CONFIG_CHECKPOINT_RESTORE). Unlike the older call
// for one field it needs no capability.
type prctlMemoryMap struct {
	startCode, endCode, startData, endData uint64
	startBrk, brk, startStack              uint64
	argStart, argEnd, envStart, envEnd     uint64
	auxv                                   uint64
	auxvSize                               uint32
	exeFd                                  int32 // -1: as it is
}

// memoryMap is how this process's memory is laid out: proc_pid_stat(5), whose
// fields count from the end of the second, the command's name.
func memoryMap() (*prctlMemoryMap, error) {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 49 {
		return nil, fmt.Errorf("cannot parse /proc/self/stat")
	}
	brk, _, _ := unix.RawSyscall(unix.SYS_BRK, 0, 0, 0)
	m := &prctlMemoryMap{brk: uint64(brk), exeFd: -1}
	for number, to := range map[int]*uint64{
		26: &m.startCode, 27: &m.endCode, 28: &m.startStack, 45: &m.startData, 46: &m.endData, 47: &m.startBrk,
		48: &m.argStart, 49: &m.argEnd, 50: &m.envStart, 51: &m.envEnd,
	} {
		if *to, err = strconv.ParseUint(fields[number-3], 10, 64); err != nil {
			return nil, fmt.Errorf("cannot parse /proc/self/stat: %w", err)
		}
	}
	return m, nil
}
