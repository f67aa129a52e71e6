package images

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
)

// TestWriteIsDeterministic makes an image twice and wants the same bytes: what
// is measured today must be what was measured yesterday.
func TestWriteIsDeterministic(t *testing.T) {
	var sums [2][sha256.Size]byte
	for i := range sums {
		var b bytes.Buffer
		if err := Write(&b, Config{Layers: 12}); err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(b.Bytes())
	}
	if sums[0] != sums[1] {
		t.Errorf("the same Config gave two different images: %x and %x", sums[0], sums[1])
	}
}

// TestTree checks what whiteouts and opaque directories hide.
func TestTree(t *testing.T) {
	tree, err := Tree(Config{Layers: 8})
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(tree, func(e Entry) bool { return e.Path == name })
	}
	for name, want := range map[string]bool{
		"bin/sh": true, "layers/001/data": true, "layers/001/gone": false, "layers/007/gone": true,
		"shared/opaque/004": false, "shared/opaque/005": true, "shared/opaque/007": true,
		"shared/opaque/" + opaqueMarker: false, "layers/006/.wh.gone": false, "shared/last": true,
	} {
		if has(name) != want {
			t.Errorf("%s: there is %v, want %v", name, has(name), want)
		}
	}
}

// TestWriteRefuses wants an error, and no image, for what cannot be made.
func TestWriteRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"negative":   {Layers: -1},
		"too many":   {Layers: MaxLayers + 1},
		"no busybox": {Busybox: "/nonexistent/busybox"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, c); err == nil {
				t.Error("Write succeeded")
			}
			if b.Len() > 0 {
				t.Errorf("Write left %d bytes behind an error", b.Len())
			}
		})
	}
}
