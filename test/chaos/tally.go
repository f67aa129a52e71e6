package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// enoughBad ends a run that would only repeat itself.
const enoughBad = 15

// tally counts what happened and what must not have.
type tally struct {
	unreached []string // points that no scenario passes

	mu     sync.Mutex     // guards the following
	struck map[strike]int // faults that happened
	lives  int            // containers in storms
	kills  map[string]int // processes killed from outside, by what they were
	faulty int            // trials and storms after which something was wrong
}

func (t *tally) add(struck []strike) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.struck == nil {
		t.struck = make(map[strike]int)
	}
	for _, s := range struck {
		t.struck[s]++
	}
}

func (t *tally) addKill(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kills == nil {
		t.kills = make(map[string]int)
	}
	t.kills[what]++
}

func (t *tally) addLives(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lives += n
}

// faults is how many there were, of all sorts.
func (t *tally) faults() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.struck {
		n += count
	}
	for _, count := range t.kills {
		n += count
	}
	return n
}

// bad reports a trial or a storm that went wrong.
func (t *tally) bad(b *bench, what fmt.Stringer, wrong []string, answers []error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faulty++
	fmt.Printf("WRONG after %v:\n\t%s\n", what, strings.Join(wrong, "\n\t"))
	for _, err := range answers {
		fmt.Printf("\tanswer: %v\n", err)
	}
	if t.faulty <= 3 {
		fmt.Printf("\t%s\n", strings.ReplaceAll(b.LogTail(25), "\n", "\n\t"))
	}
}

func (t *tally) tooBad() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.faulty >= enoughBad
}

// print says what was done.
func (t *tally) print(took time.Duration) {
	byKind, points := map[string]int{}, map[string]bool{}
	t.mu.Lock()
	for s, n := range t.struck {
		byKind[s.kind] += n
		points[s.point] = true
	}
	maps.Copy(byKind, t.kills)
	t.mu.Unlock()
	fmt.Printf("%d faults at %d points in %v; %d containers in storms\n", t.faults(), len(points), took.Round(time.Second), t.lives)
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Printf("  %-22s %6d\n", kind, byKind[kind])
	}
}

// verdict is nil if all was well.
func (t *tally) verdict() error {
	var errs []error
	if len(t.unreached) > 0 {
		errs = append(errs, fmt.Errorf("no scenario passes the points %s", strings.Join(t.unreached, ", ")))
	}
	if t.faulty > 0 {
		errs = append(errs, fmt.Errorf("something was wrong %d times, see above", t.faulty))
	}
	if len(errs) == 0 {
		fmt.Println("nothing left, nothing lost, nothing told twice")
	}
	return errors.Join(errs...)
}
