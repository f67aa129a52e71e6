package rootfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mount is one mount as a snapshotter describes it, in the form of containerd's
// core/mount: Options are those of fstab, each element one option or several
// joined by commas.
type Mount struct {
	Type    string
	Source  string
	Target  string // below the root filesystem; empty is the root itself
	Options []string
}

// Plan is what to mount, in order. It holds nothing of what it was parsed from,
// and cannot be changed. The zero Plan is empty and cannot be prepared.
type Plan struct {
	steps []step
}

// step is one mount of a plan.
type step struct {
	target  string
	flags   Flags
	mapping Mapping
	body    body
}

// body is what a step mounts: an overlay, a bind or a filesystem.
type body interface {
	// render gives the mount(8) view back, without flags and mapping.
	render() Mount
}

// OptionError tells which part of which mount cannot be used, why, and what
// would do instead.
type OptionError struct {
	Mount   int    // index in what was parsed
	Type    string // the mount's type
	Option  string // the option's name, or "type", "source", "target"
	Value   string // what it was set to
	Problem string // why it cannot be used, and how to mend it
}

// maxShown bounds how much of a value an error repeats: lowerdir can be many KiB.
const maxShown = 160

// Error names the mount, the option and the way out.
func (e *OptionError) Error() string {
	value := e.Value
	if len(value) > maxShown {
		value = value[:maxShown] + "..."
	}
	return fmt.Sprintf("cannot use mount %d (%s): %s %q: %s", e.Mount, e.Type, e.Option, value, e.Problem)
}

// ErrNoMounts says that there was nothing to parse.
var ErrNoMounts = errors.New("cannot make a root filesystem of no mounts")

// Parse reads mounts into a Plan. It neither changes ms nor keeps any of its
// slices, and looks at no file. Errors are [ErrNoMounts] and *[OptionError].
func Parse(ms []Mount) (Plan, error) {
	if len(ms) == 0 {
		return Plan{}, ErrNoMounts
	}
	plan := Plan{steps: make([]step, 0, len(ms))}
	for i, m := range ms {
		s, err := parseMount(m)
		if err != nil {
			err.Mount, err.Type = i, m.Type
			return Plan{}, err
		}
		plan.steps = append(plan.steps, s)
	}
	return plan, nil
}

func parseMount(m Mount) (step, *OptionError) {
	if err := checkStrings(m); err != nil {
		return step{}, err
	}
	opts, err := parseOptions(m.Options)
	if err != nil {
		return step{}, err
	}
	s := step{target: m.Target, flags: opts.flags, mapping: opts.mapping}
	switch {
	case opts.bind || m.Type == "bind" || m.Type == "rbind":
		s.body, err = parseBind(m, opts)
	case m.Type == "overlay":
		s.body, err = parseOverlay(m.Source, opts)
	default:
		s.body, err = parseFilesystem(m, opts)
	}
	return s, err
}

// checkStrings refuses what no system call can be given.
func checkStrings(m Mount) *OptionError {
	fields := append([]string{m.Type, m.Source, m.Target}, m.Options...)
	names := []string{"type", "source", "target"}
	for i, field := range fields {
		if strings.IndexByte(field, 0) < 0 {
			continue
		}
		name := "option"
		if i < len(names) {
			name = names[i]
		}
		return &OptionError{Option: name, Value: field, Problem: "has a NUL byte: take it out"}
	}
	return nil
}

// Mounts renders the plan in canonical form: parsing it again gives an equal
// plan. The caller may change the result.
func (p Plan) Mounts() []Mount {
	ms := make([]Mount, 0, len(p.steps))
	for _, s := range p.steps {
		m := s.body.render()
		m.Target = s.target
		m.Options = slices.Concat(s.mapping.options(), s.flags.options(), m.Options)
		ms = append(ms, m)
	}
	return ms
}

// Layers is how many lower layers the plan's overlays have together.
func (p Plan) Layers() int {
	n := 0
	for _, s := range p.steps {
		if o, ok := s.body.(overlay); ok {
			n += len(o.lower) + len(o.data)
		}
	}
	return n
}

// Upper is the directory that the plan's overlay writes to, the first one's of several;
// empty if there is none.
func (p Plan) Upper() string {
	for _, s := range p.steps {
		if o, ok := s.body.(overlay); ok && o.upper != "" {
			return o.upper
		}
	}
	return ""
}

// Mapped tells whether any mount of the plan is id-mapped.
func (p Plan) Mapped() bool {
	return slices.ContainsFunc(p.steps, func(s step) bool { return !s.mapping.empty() })
}
