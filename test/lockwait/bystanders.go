package main

import (
	"errors"

	"tango/test/bystander"
)

// bystanders are one in a session of its own, and one in that of containerd. The zero
// value is none.
type bystanders struct{ own, same *bystander.Process }

// startBystanders starts both, if they are wanted.
func (b *bed) startBystanders() (w bystanders, err error) {
	if !b.bystander {
		return w, nil
	}
	if w.own, err = bystander.Start(b.node.Dir(), b.every, bystander.Own); err != nil {
		return w, err
	}
	if w.same, err = bystander.Start(b.node.Dir(), b.every, bystander.Same); err != nil {
		w.giveUp()
	}
	return w, err
}

// stop ends them and puts into the burst what they have seen of it.
func (w bystanders) stop(m *burst, t times) error {
	own, err := w.own.Stop()
	same, sameErr := w.same.Stop()
	m.Opens, m.OpensInSession = bystander.During(own, t.began, t.deleted), bystander.During(same, t.began, t.deleted)
	return errors.Join(err, sameErr)
}

// giveUp ends those that were not stopped.
func (w bystanders) giveUp() {
	w.own.GiveUp()
	w.same.GiveUp()
}
