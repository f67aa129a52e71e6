package images

import (
	"archive/tar"
	"bytes"
	_ "crypto/sha256" // go-digest finds it by registration
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// nameAnnotation is what containerd names an imported image by.
const nameAnnotation = "io.containerd.image.name"

// MaxLayers is the most layers that an image can have: three digits name one.
const MaxLayers = 999

// Config says which image to make.
type Config struct {
	Name    string   // full reference, as "tango.test/layers:50"; default: made from Layers
	Layers  int      // number of layers with the base, 1 to MaxLayers; default 1
	Busybox string   // path of a static busybox; default Busybox
	Command []string // what a container runs unless told otherwise; default the shell
}

// Ref returns the name that the image has once it is imported.
func (c Config) Ref() string {
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("tango.test/layers:%d", max(c.Layers, 1))
}

func (c Config) command() []string {
	if len(c.Command) == 0 {
		return []string{"/bin/sh"}
	}
	return c.Command
}

// entries returns the files of every layer, the lowest first.
func (c Config) entries() ([][]Entry, error) {
	if c.Layers < 0 || c.Layers > MaxLayers {
		return nil, fmt.Errorf("cannot make an image of %d layers: 1 to %d are possible", c.Layers, MaxLayers)
	}
	if c.Busybox == "" {
		c.Busybox = Busybox
	}
	lowest, err := base(c.Busybox)
	if err != nil {
		return nil, err
	}
	layers := [][]Entry{lowest}
	for n := 1; n < c.Layers; n++ {
		layers = append(layers, small(n))
	}
	return layers, nil
}

// Write writes the image as an OCI archive (a tar of an OCI layout) that
// containerd can import.
func Write(w io.Writer, c Config) error {
	layers, err := c.entries()
	if err != nil {
		return err
	}
	a := &archive{tar: tar.NewWriter(w), have: make(map[digest.Digest]bool)}
	a.add("oci-layout", ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	image := ocispec.Image{
		Platform: ocispec.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   ocispec.ImageConfig{Env: []string{"PATH=/bin:/usr/bin"}, Cmd: c.command(), WorkingDir: "/"},
		RootFS:   ocispec.RootFS{Type: "layers"},
	}
	for _, entries := range layers {
		layer := a.layer(entries)
		manifest.Layers = append(manifest.Layers, layer)
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, layer.Digest)
	}
	manifest.Config = a.blob(ocispec.MediaTypeImageConfig, a.marshal(image))
	top := a.blob(ocispec.MediaTypeImageManifest, a.marshal(manifest))
	top.Annotations = map[string]string{nameAnnotation: c.Ref()}
	top.Platform = &image.Platform
	a.add("index.json", ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{top},
	})
	return errors.Join(a.err, a.tar.Close())
}

// archive writes an OCI layout. The first error stays in err and ends the work.
type archive struct {
	tar  *tar.Writer
	have map[digest.Digest]bool
	err  error
}

func (a *archive) layer(entries []Entry) ocispec.Descriptor {
	var b bytes.Buffer
	if err := writeLayer(&b, entries); err != nil && a.err == nil {
		a.err = err
	}
	return a.blob(ocispec.MediaTypeImageLayer, b.Bytes())
}

func (a *archive) blob(mediaType string, data []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if !a.have[d.Digest] {
		a.have[d.Digest] = true
		a.write("blobs/"+d.Digest.Algorithm().String()+"/"+d.Digest.Encoded(), data)
	}
	return d
}

func (a *archive) marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil && a.err == nil {
		a.err = err
	}
	return data
}

func (a *archive) add(name string, v any) { a.write(name, a.marshal(v)) }

func (a *archive) write(name string, data []byte) {
	if a.err != nil {
		return
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, ModTime: epoch}
	if a.err = a.tar.WriteHeader(h); a.err != nil {
		return
	}
	_, a.err = a.tar.Write(data)
}
