package mountns

import (
	"cmp"
	"slices"

	"tango/mounts/kernel"
)

// piece is a detached tree and where it belongs.
type piece struct {
	tree *kernel.Mount
	at   string
	deep bool // it has what is mounted below
}

type pieces []piece

// sort brings the pieces into an order in which none hides what another shows:
// single mounts come first, and parents before what is below them; a deep piece
// may cover what came before it, since it shows the same there.
func (ps pieces) sort() {
	slices.SortStableFunc(ps, func(a, b piece) int {
		if a.deep != b.deep {
			if a.deep {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.at, b.at)
	})
}

// attach puts the trees to their places, in order, in the calling thread's
// namespace.
func (ps pieces) attach() error {
	for _, p := range ps {
		if err := p.tree.Attach(nil, p.at); err != nil {
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
