package rootfs

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxLayers is how many lower layers an overlay may have (OVL_MAX_STACK,
// fs/overlayfs/params.c).
const maxLayers = 500

// overlay is a step that stacks layers. Paths are absolute and unescaped.
type overlay struct {
	source string
	lower  []string // topmost first
	data   []string // data-only layers, below all others (Linux 6.5)
	upper  string   // empty in a read-only view, and then so is work
	work   string
	params []string

	// abandoned tells whether the caller has given up, whose next attempt may use the
	// same upper and work directory; nil if nobody can.
	abandoned func() error
}

func parseOverlay(source string, opts options) (body, *OptionError) {
	if opts.loop {
		return nil, &OptionError{Option: "loop", Problem: "overlay has no device: mount the image first, then name it in lowerdir"}
	}
	o := overlay{source: source}
	for _, option := range opts.rest {
		if err := o.add(option); err != nil {
			return nil, err
		}
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.upper == "" {
		// The kernel ignores a workdir that no upperdir needs.
		o.work = ""
	}
	return o, checkParams(o.params)
}

func (o *overlay) add(option string) *OptionError {
	key, value, _ := strings.Cut(option, "=")
	var err *OptionError
	switch key {
	case "lowerdir":
		o.lower, o.data, err = splitLowers(value)
	case "lowerdir+":
		o.lower, err = appendLayer(o.lower, key, value)
	case "datadir+":
		o.data, err = appendLayer(o.data, key, value)
	case "upperdir":
		o.upper, err = layerPath(key, value)
	case "workdir":
		o.work, err = layerPath(key, value)
	default:
		if strings.Contains(key, "/") {
			return &OptionError{Option: "option", Value: option, Problem: `looks like the rest of a path: a comma in a path is written "\,"`}
		}
		o.params = append(o.params, option)
	}
	return err
}

// splitLowers reads the value of lowerdir=: layers between ':', data-only
// layers after '::', and a backslash before any byte that is meant literally.
func splitLowers(value string) (lower, data []string, err *OptionError) {
	into := &lower
	for rest := value; ; {
		part, after, more := cutUnescaped(rest)
		if *into, err = appendLayer(*into, "lowerdir", part); err != nil {
			return nil, nil, err
		}
		if !more {
			return lower, data, nil
		}
		next, isData := strings.CutPrefix(after, ":")
		switch {
		case isData:
			into = &data
		case into == &data:
			return nil, nil, &OptionError{Option: "lowerdir", Value: value, Problem: `has a layer after a data-only layer: separate data-only layers by "::"`}
		}
		rest = next
	}
}

// cutUnescaped cuts s at its first ':' that no backslash precedes.
func cutUnescaped(s string) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func appendLayer(layers []string, key, escaped string) ([]string, *OptionError) {
	p, err := layerPath(key, escaped)
	if err != nil {
		return nil, err
	}
	return append(layers, p), nil
}

func layerPath(key, escaped string) (string, *OptionError) {
	p, ok := unescape(escaped)
	switch {
	case !ok:
		return "", &OptionError{Option: key, Value: escaped, Problem: `ends in a single backslash: write "\\" for one`}
	case p == "":
		return "", &OptionError{Option: key, Value: escaped, Problem: "names an empty path: take the extra ':' out"}
	case !path.IsAbs(p):
		return "", &OptionError{Option: key, Value: p, Problem: "is relative, and to which directory is not said: give an absolute path"}
	}
	return tidyPath(p), nil
}

// unescape drops backslashes as ovl_unescape does (fs/overlayfs/params.c); false
// says that the last one has nothing to escape.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			if i++; i == len(s) {
				return "", false
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

// escaper protects what an option string splits paths at.
var escaper = strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`, `"`, `\"`)

func (o *overlay) check() *OptionError {
	switch {
	case len(o.lower) == 0:
		return &OptionError{Option: "lowerdir", Problem: "is missing: overlay needs at least one layer"}
	case len(o.lower)+len(o.data) > maxLayers:
		return &OptionError{Option: "lowerdir", Value: fmt.Sprint(len(o.lower)+len(o.data), " layers"), Problem: "overlay takes 500 at most: squash the image"}
	case o.upper == "" && len(o.lower)+len(o.data) == 1:
		return &OptionError{Option: "lowerdir", Value: o.lower[0], Problem: "is one layer without an upperdir, which overlay refuses: hand it over as a read-only bind mount"}
	case o.upper != "" && o.work == "":
		return &OptionError{Option: "upperdir", Value: o.upper, Problem: "comes without workdir: name an empty directory beside it"}
	}
	return checkNesting(slices.Concat(o.lower, o.data))
}

// checkNesting refuses a layer that is, or lies inside, another one. The kernel
// does so too, but with ELOOP and without a name (ovl_check_overlapping_layers).
func checkNesting(layers []string) *OptionError {
	seen := make(map[string]bool, len(layers))
	for _, layer := range layers {
		if seen[layer] {
			return &OptionError{Option: "lowerdir", Value: layer, Problem: "is named twice: drop one"}
		}
		seen[layer] = true
	}
	passed := make(map[string]bool) // directories that are no layers, nor lie in one
	for _, layer := range layers {
		if layer == "/" || hasDotDot(layer) {
			continue
		}
		for dir := parentDir(layer); !passed[dir]; dir = parentDir(dir) {
			if seen[dir] {
				return &OptionError{Option: "lowerdir", Value: layer, Problem: fmt.Sprintf("lies inside the layer %q: overlay cannot stack a directory on its own parent", dir)}
			}
			passed[dir] = true
		}
	}
	return nil
}

func (o overlay) render() Mount {
	var opts []string
	if o.upper != "" {
		opts = append(opts, "workdir="+escaper.Replace(o.work), "upperdir="+escaper.Replace(o.upper))
	}
	return Mount{Type: "overlay", Source: o.source, Options: append(append(opts, "lowerdir="+o.joinLowers()), o.params...)}
}

func (o overlay) joinLowers() string {
	var b strings.Builder
	for i, layer := range o.lower {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(escaper.Replace(layer))
	}
	for _, layer := range o.data {
		b.WriteString("::")
		b.WriteString(escaper.Replace(layer))
	}
	return b.String()
}
