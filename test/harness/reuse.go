package harness

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"sync"
)

// ReuseVariable is the environment variable that has tests share nodes, one after
// the other, when it is not empty: for an emulated machine, on which the start of
// a containerd takes longer than most tests. Only a node of a test that passed and
// left nothing behind is used again, and only by one that wants the same options.
const ReuseVariable = "TANGO_TEST_REUSE"

// maxUses keeps what a node gathers (logs, images, records) from growing without
// end.
const maxUses = 15

// idle are nodes between two tests; [CloseAll] closes them as all others.
var idle struct {
	sync.Mutex
	nodes []*Node
}

// takeIdle returns a node with these options that a test has done with, or nil.
func takeIdle(o Options) *Node {
	if o.Fresh {
		return nil
	}
	idle.Lock()
	defer idle.Unlock()
	for i, n := range idle.nodes {
		if reflect.DeepEqual(n.asked, o) {
			idle.nodes = slices.Delete(idle.nodes, i, i+1)
			return n
		}
	}
	return nil
}

// keepIdle leaves a node, which no longer has containers, to another test, and
// says whether it did.
func (n *Node) keepIdle() (bool, error) {
	if os.Getenv(ReuseVariable) == "" || n.asked.Fresh || n.boots != 1 || n.Client() == nil || n.uses >= maxUses {
		return false, nil
	}
	if err := n.tidy(); err != nil {
		return false, err
	}
	idle.Lock()
	defer idle.Unlock()
	idle.nodes = append(idle.nodes, n)
	return true, nil
}

// ownFiles are the entries of a node's directory that are not a test's.
var ownFiles = []string{
	"tmp", "s", "fifo", "run", "log", "root", "state", ownerFile,
	"config.toml", "containerd.log", "containerd.sock", "containerd.sock.ttrpc",
}

// tidy takes away what a test has put into the node's directory.
func (n *Node) tidy() error {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !slices.Contains(ownFiles, e.Name()) {
			errs = append(errs, os.RemoveAll(n.path(e.Name())))
		}
	}
	return errors.Join(errs...)
}
