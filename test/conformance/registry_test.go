package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
)

// TestRegistry walks from a tag to the layers as a client does.
func TestRegistry(t *testing.T) {
	c := newContent()
	layers := [][]file{{{name: "a/", mode: 0o755}, {name: "a/b", mode: 0o644, body: []byte("c")}}, volumeLayer("d")}
	if err := c.addImage("some/image", "1", runtime.GOARCH, layers); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	defer srv.Close()

	var index struct{ Manifests []descriptor }
	get(t, srv.URL+"/v2/some/image/manifests/1", http.StatusOK, mediaIndex, &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Platform["architecture"] != runtime.GOARCH {
		t.Fatalf("index has %v", index.Manifests)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	get(t, srv.URL+"/v2/some/image/manifests/"+index.Manifests[0].Digest, http.StatusOK, mediaManifest, &manifest)
	if len(manifest.Layers) != len(layers) {
		t.Fatalf("manifest has %d layers, want %d", len(manifest.Layers), len(layers))
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		body := get(t, srv.URL+"/v2/some/image/blobs/"+d.Digest, http.StatusOK, d.MediaType, nil)
		if digest(body) != d.Digest || int64(len(body)) != d.Size {
			t.Errorf("blob %s came as %s, %d bytes", d.Digest, digest(body), len(body))
		}
	}
	get(t, srv.URL+"/v2/", http.StatusOK, "", nil)
	get(t, srv.URL+"/v2/some/image/manifests/2", http.StatusNotFound, "", nil)
	get(t, srv.URL+"/v2/other/image/manifests/1", http.StatusNotFound, "", nil)
}

func get(t *testing.T, url string, status int, mediaType string, into any) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s: status %d, want %d", url, resp.StatusCode, status)
	}
	if got := resp.Header.Get("Content-Type"); mediaType != "" && got != mediaType {
		t.Errorf("%s: type %s, want %s", url, got, mediaType)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}
	return body
}
