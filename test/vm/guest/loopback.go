package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

// ifreq is struct ifreq of netdevice(7), as SIOCSIFFLAGS reads it.
type ifreq struct {
	name  [16]byte
	flags uint16
	_     [22]byte
}

// loopbackUp brings lo up; the kernel adds 127.0.0.1 and ::1 by itself.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot bring lo up: %w", err)
	}
	defer syscall.Close(fd)
	req := ifreq{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(req.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		return fmt.Errorf("cannot bring lo up: %w", errno)
	}
	return nil
}
