package rootfs

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxLoopTries bounds how often a free loop device may be snatched away by
// another process between asking for its number and configuring it. Each time
// somebody else made progress; containerd tries 100 times.
const maxLoopTries = 100

// attachLoop makes a block device of a file (LOOP_CONFIGURE, Linux 5.8). The
// caller closes the device's file once it is mounted; after the last user the
// kernel takes the device apart.
func attachLoop(image string, readOnly, direct bool) (*os.File, error) {
	mode := os.O_RDWR
	config := unix.LoopConfig{Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	if readOnly {
		mode = os.O_RDONLY
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	if direct {
		config.Info.Flags |= unix.LO_FLAGS_DIRECT_IO
	}
	backing, err := os.OpenFile(image, mode, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot attach loop device: %w", err)
	}
	defer backing.Close()
	config.Fd = uint32(backing.Fd())
	// The name is for losetup; the kernel cuts it off.
	copy(config.Info.File_name[:len(config.Info.File_name)-1], image)

	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot attach loop device: %w", err)
	}
	defer control.Close()
	for range maxLoopTries {
		device, err := configureFree(control, mode, &config)
		if !errors.Is(err, unix.EBUSY) {
			runtime.KeepAlive(backing)
			return device, err
		}
	}
	return nil, fmt.Errorf("cannot attach loop device to %q: %w", image, unix.EBUSY)
}

// configureFree takes the first free device; EBUSY says that it was not free any
// more.
func configureFree(control *os.File, mode int, config *unix.LoopConfig) (*os.File, error) {
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("cannot find free loop device: %w", err)
	}
	device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), mode, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot attach loop device: %w", err)
	}
	if err := unix.IoctlLoopConfigure(int(device.Fd()), config); err != nil {
		device.Close()
		return nil, fmt.Errorf("cannot configure %s: %w", device.Name(), err)
	}
	return device, nil
}
