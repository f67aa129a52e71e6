package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	abilities "tango/mounts/kernel"
)

// documented are the features as Go code, and so documentation, calls them.
var documented = map[string]*abilities.Feature{
	"LowerdirPlus": abilities.LowerdirPlus, "OverlayLayerFD": abilities.OverlayLayerFD,
	"OverlayLayerPathFD": abilities.OverlayLayerPathFD, "OverlayDetachedLayer": abilities.OverlayDetachedLayer,
	"OverlayIDMappedLayers": abilities.OverlayIDMappedLayers, "DetachedOnDetached": abilities.DetachedOnDetached,
	"OpenTreeAttr": abilities.OpenTreeAttr, "StatMount": abilities.StatMount,
	"OpenTreeNamespace": abilities.OpenTreeNamespace, "FSMountNamespace": abilities.FSMountNamespace,
	"IDMappedMounts": abilities.IDMappedMounts, "TmpfsIDMap": abilities.TmpfsIDMap,
}

// versionOf finds "6.15 (`OverlayDetachedLayer`)" in a page.
var versionOf = regexp.MustCompile("([0-9]+\\.[0-9]+) \\(`(\\w+)`\\)")

// What a page says of a feature's first kernel is what the matrix holds against
// kernels.
func TestDocumentedVersions(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		page, err := os.ReadFile(path)
		for _, m := range versionOf.FindAllStringSubmatch(string(page), -1) {
			f, known := documented[m[2]]
			if known && f.Since != m[1] {
				t.Errorf("%s says %s of %s, the code says %s", path, m[1], m[2], f.Since)
			}
			if known {
				found++
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("found %d claims, %v", found, err)
	}
	if len(documented) != len(abilities.All()) {
		t.Errorf("%d features have names here, but there are %d", len(documented), len(abilities.All()))
	}
}

func TestClaimsBecomeATable(t *testing.T) {
	r := result{Machine: "m"}
	r.noteClaim("TestOther", "claim: since=1.0 here=true (<nil>)")
	if r.Claims != nil {
		t.Error("a test that is no claim counts")
	}
	r.noteClaim(claimTest(abilities.LowerdirPlus), "x_test.go:1: claim: since=6.7 here=false (no)")
	r.noteClaim(claimTest(abilities.StatMount), "x_test.go:1: claim: since=6.8 here=true (<nil>)")
	var b strings.Builder
	printClaims(&b, []result{r, {Machine: "silent"}})
	for _, want := range []string{`lowerdir\+ +6\.7 +no`, `statmount +6\.8 +yes`, `open_tree_attr +6\.15 +\?`} {
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}
