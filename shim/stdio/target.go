package stdio

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Schemes are what output can be sent to, as the schemes of a URI; a plain path
// is a fifo's.
func Schemes() []string {
	return []string{string(schemePath), string(schemeFile), string(schemeBinary), string(schemeBinaryV2)}
}

// scheme is the kind of thing that output goes to.
type scheme string

const (
	schemeNone     scheme = ""
	schemePath     scheme = "fifo" // a fifo, or a file that is there
	schemeFile     scheme = "file"
	schemeBinary   scheme = "binary"
	schemeBinaryV2 scheme = "binary-v2" // as binary, but has to say that it is ready
)

// target is one parsed Stdout or Stderr.
type target struct {
	scheme scheme
	path   string
	args   []string // of a binary
}

func (t target) isBinary() bool {
	return t.scheme == schemeBinary || t.scheme == schemeBinaryV2
}

// parseTarget reads a Stdout or Stderr; stream names it in errors. A plain path
// is taken as it stands, without unescaping.
func parseTarget(stream, raw string) (target, error) {
	if raw == "" {
		return target{}, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, fmt.Errorf("unable to parse %s uri: %w", stream, err)
	}
	switch s := scheme(u.Scheme); s {
	case "":
		return target{scheme: schemePath, path: raw}, nil
	case schemePath, schemeFile:
		return target{scheme: s, path: u.Path}, nil
	case schemeBinary, schemeBinaryV2:
		return target{scheme: s, path: u.Path, args: binaryArgs(u.RawQuery)}, nil
	}
	return target{}, fmt.Errorf("unknown STDIO scheme %s", u.Scheme)
}

// binaryArgs makes a logging binary's arguments: each key of the query followed
// by its first value. The stock shim does the same in the random order of a Go
// map; here it is the order of the URI. As there, pairs that cannot be
// unescaped are left out.
func binaryArgs(query string) []string {
	var args, seen []string
	for pair := range strings.SplitSeq(query, "&") {
		values, err := url.ParseQuery(pair)
		if err != nil {
			continue
		}
		for key, value := range values {
			if !slices.Contains(seen, key) {
				seen = append(seen, key)
				args = append(args, key, value[0])
			}
		}
	}
	return args
}

// targets is where the two output streams go.
type targets struct {
	stdout, stderr target
}

// parseTargets reads both. A logging binary takes both streams, so it can only
// be named by Stdout; the same URI in Stderr is no contradiction.
func parseTargets(s Spec) (t targets, err error) {
	if t.stdout, err = parseTarget("stdout", s.Stdout); err != nil {
		return targets{}, err
	}
	if s.Terminal || t.stdout.isBinary() {
		return t, nil
	}
	if t.stderr, err = parseTarget("stderr", s.Stderr); err != nil {
		return targets{}, err
	}
	if t.stderr.isBinary() {
		return targets{}, fmt.Errorf("cannot log stderr alone to %s: a logging binary is named by stdout and gets both", s.Stderr)
	}
	return t, nil
}
