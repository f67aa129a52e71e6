package options

import "strings"

// Known tells whether Parse takes a message of this type.
func Known(typeURL string) bool {
	switch typeURL[strings.LastIndexByte(typeURL, '/')+1:] {
	case runcType, runtimeType:
		return true
	}
	return false
}
