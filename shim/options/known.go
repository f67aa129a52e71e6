package options

// Known tells whether [Parse] takes a message of this type.
func Known(typeURL string) bool {
	name := typeName(typeURL)
	return name == runcType || name == runtimeType
}
