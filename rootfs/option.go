package rootfs

import (
	"strings"
)

// options are a mount's options, sorted by who they are for.
type options struct {
	flags     Flags
	mapping   Mapping
	bind      bool
	recursive bool
	loop      bool
	// rest is for the filesystem, in order, one option each, quoting and
	// escapes as they came.
	rest []string
}

// parseOptions sorts the options the way containerd does, so that the last one
// of a kind wins.
func parseOptions(elements []string) (options, *OptionError) {
	var opts options
	var uids, gids *string
	for _, element := range elements {
		if value, ok := strings.CutPrefix(element, "uidmap="); ok {
			uids = &value
			continue
		}
		if value, ok := strings.CutPrefix(element, "gidmap="); ok {
			gids = &value
			continue
		}
		for _, option := range splitElement(element) {
			if err := opts.add(option); err != nil {
				return options{}, err
			}
		}
	}
	mapping, err := parseMapping(uids, gids)
	opts.mapping = mapping
	return opts, err
}

func (o *options) add(option string) *OptionError {
	name, value, _ := strings.Cut(option, "=")
	switch {
	case option == "":
	case o.flags.set(option):
	case option == "bind":
		o.bind = true
	case option == "rbind":
		o.bind, o.recursive = true, true
	case option == "loop":
		o.loop = true
	case option == "remount":
		return &OptionError{Option: name, Problem: "there is nothing to change yet: give the options to the mount itself"}
	case name == "uidmap" || name == "gidmap":
		return &OptionError{Option: name, Value: value, Problem: "is joined with other options: make it an element of its own"}
	case strings.HasPrefix(option, "X-containerd."):
		return &OptionError{Option: name, Value: value, Problem: "is for containerd's mount manager, which did not consume it: activate the mounts before handing them over"}
	default:
		o.rest = append(o.rest, option)
	}
	return nil
}

// splitElement cuts an element at its commas, save those in double quotes
// (SELinux contexts) and those behind a backslash (overlay paths), as the kernel
// does when it is given options as one string.
func splitElement(element string) []string {
	if strings.IndexByte(element, ',') < 0 {
		return []string{element}
	}
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(element); i++ {
		switch element[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				parts = append(parts, element[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, element[start:])
}

// keyValue takes an option apart for fsconfig, which wants security contexts
// without the quotes that protect their commas in an option string.
func keyValue(option string) (key, value string, hasValue bool) {
	key, value, hasValue = strings.Cut(option, "=")
	switch key {
	case "context", "fscontext", "defcontext", "rootcontext":
		value = strings.ReplaceAll(value, `"`, "")
	}
	return key, value, hasValue
}
