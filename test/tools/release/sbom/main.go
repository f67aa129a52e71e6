// Command sbom writes the bill of materials of Go programs, in CycloneDX's JSON form:
// the modules that are in them, as the linker noted them, with checksums. Not what
// go.mod names, but what is there.
//
//	sbom PROGRAM... > sbom.json
//
// The same programs give the same bytes: there is no time and no serial number.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM...")
		os.Exit(2)
	}
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(programs []string) error {
	bom := cyclonedx.NewBOM()
	modules := make(map[string]cyclonedx.Component)
	var components []cyclonedx.Component
	var dependencies []cyclonedx.Dependency
	for _, path := range programs {
		program, used, err := read(path, modules)
		if err != nil {
			return err
		}
		components = append(components, program)
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: program.BOMRef, Dependencies: &used})
	}
	for _, module := range modules {
		components = append(components, module)
	}
	slices.SortFunc(components, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom.Components, bom.Dependencies = &components, &dependencies
	return cyclonedx.NewBOMEncoder(os.Stdout, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// read describes a program, and adds the modules that are in it.
func read(path string, modules map[string]cyclonedx.Component) (program cyclonedx.Component, used []string, err error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return program, nil, fmt.Errorf("cannot read what is in %s: %w", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return program, nil, err
	}
	sum := sha256.Sum256(content)
	name := filepath.Base(path)
	program = cyclonedx.Component{
		BOMRef: "file:" + name, Type: cyclonedx.ComponentTypeApplication, Name: name,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}
	standard := &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range append(info.Deps, standard) {
		c := component(m)
		modules[c.BOMRef] = c
		used = append(used, c.BOMRef)
	}
	slices.Sort(used)
	return program, used, nil
}

// component describes a module, or what replaces it.
func component(m *debug.Module) cyclonedx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	url := "pkg:golang/" + m.Path + "@" + m.Version
	c := cyclonedx.Component{BOMRef: url, PackageURL: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version}
	// "h1:" is SHA-256 of the list of the module's files (golang.org/x/mod/sumdb/dirhash).
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
		c.Properties = &[]cyclonedx.Property{{Name: "golang:h1", Value: m.Sum}}
	}
	return c
}
