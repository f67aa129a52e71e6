package task

import (
	"fmt"
	"os/exec"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
)

// checkBinaryName refuses a name of runc that no program has, as the stock shim does: it may
// be a slip, or meant for another node. Any other has no effect, which is said once.
func (s *Service) checkBinaryName(name string) error {
	if name == "" {
		return nil
	}
	if _, err := exec.LookPath(name); err != nil {
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf(
			"runtime option BinaryName: %v (tango starts no runc: the option can be left out)", err))
	}
	s.noteBinaryName(name)
	return nil
}

// noteBinaryName says once that there is no runc to name.
func (s *Service) noteBinaryName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warned {
		return
	}
	s.warned = true
	log.L.WithField("BinaryName", name).Info("runtime option BinaryName has no effect: libcontainer runs inside the shim")
}
