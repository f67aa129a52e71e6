package mountns

import (
	"tango/mounts/fault"
	"tango/mounts/kernel"
)

// piece is a detached tree and where it belongs.
type piece struct {
	tree *kernel.Mount
	at   string
}

type pieces []piece

// attach puts the trees to their places, in order, in the calling thread's
// namespace.
func (ps pieces) attach() error {
	for _, p := range ps {
		if err := fault.Point("stage.attach"); err != nil {
			return err
		}
		if err := p.tree.Attach(nil, p.at); err != nil {
			return err
		}
	}
	return nil
}

// attachPrivately is attach for pieces that lie below one another. A clone of a
// shared mount is its peer: what was attached below would show on the host.
func (ps pieces) attachPrivately() error {
	for _, p := range ps {
		if err := p.tree.Attach(nil, p.at); err != nil {
			return err
		}
		if err := kernel.SetPropagation(p.at, kernel.Private, false); err != nil {
			return err
		}
	}
	return nil
}

func (ps pieces) close() {
	for _, p := range ps {
		_ = p.tree.Close()
	}
}
