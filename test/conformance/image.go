package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// file is one entry of a layer. A name that ends in "/" is a directory; link
// makes it a hard link (absolute path inside the layer) and body is ignored.
type file struct {
	name string
	mode int64
	link string
	body []byte
}

// descriptor points at a blob as the OCI image format has it. Size in bytes.
type descriptor struct {
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int64             `json:"size"`
	Platform  map[string]string `json:"platform,omitempty"`
}

// images returns a content store with stand-ins for the images that the suite
// pulls while it tests containers. They carry the names and tags that the
// suite asks for and what its commands need; digests differ from the
// originals, and only the architecture of this machine is there.
func images(busybox, arch string) (*content, error) {
	base, err := baseLayer(busybox)
	if err != nil {
		return nil, err
	}
	c := newContent()
	for _, im := range []struct {
		name, tag string
		layers    [][]file
	}{
		{"containerd/busybox", "1.36", [][]file{base}},
		{"containerd/volume-copy-up", "2.2", [][]file{base, volumeLayer("test_dir"), volumeLayer("other_dir")}},
		{"containerd/volume-ownership", "2.1", [][]file{base, ownershipLayer()}},
	} {
		if err := c.addImage(im.name, im.tag, arch, im.layers); err != nil {
			return nil, fmt.Errorf("cannot make image %s: %w", im.name, err)
		}
	}
	return c, nil
}

// baseLayer is a root file system of one static busybox under all its names.
func baseLayer(busybox string) ([]file, error) {
	bin, err := os.ReadFile(busybox)
	if err != nil {
		return nil, fmt.Errorf("cannot read the busybox for the images: %w", err)
	}
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the applets of %s: %w", busybox, err)
	}
	fs := []file{
		{name: "bin/", mode: 0o755},
		{name: "dev/", mode: 0o755},
		{name: "etc/", mode: 0o755},
		{name: "home/", mode: 0o755},
		{name: "proc/", mode: 0o755},
		{name: "root/", mode: 0o700},
		{name: "run/", mode: 0o755},
		{name: "sys/", mode: 0o755},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755},
		{name: "usr/bin/", mode: 0o755},
		{name: "var/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, body: []byte(passwd)},
		{name: "etc/group", mode: 0o644, body: []byte(group)},
		{name: "bin/busybox", mode: 0o755, body: bin},
		{name: "bin/nc", mode: 0o755, body: []byte(nc)},
	}
	for name := range strings.FieldsSeq(string(names)) {
		if name != "busybox" && name != "nc" {
			fs = append(fs, file{name: "bin/" + name, mode: 0o755, link: "bin/busybox"})
		}
	}
	return fs, nil
}

// nc obeys SIGTERM also as process 1 of a container, as that of the original
// image does and the suite expects; the one of Debian's busybox has no handler.
const nc = `#!/bin/sh
trap 'exit 143' TERM
/bin/busybox nc "$@" &
wait $!
`

// The users and groups that the suite's tests name: www-data (33), backup (34).
const (
	//nolint:gosec // no credentials: accounts without a password
	passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
backup:x:34:34:backup:/var/backups:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`
	group = `root:x:0:
daemon:x:1:
sys:x:3:
www-data:x:33:
backup:x:34:
nobody:x:65534:
`
)

func volumeLayer(dir string) []file {
	return []file{
		{name: dir + "/", mode: 0o755},
		{name: dir + "/test_file", mode: 0o644, body: []byte("test_content\n")},
	}
}

// ownershipLayer has a setuid file and a bash, for the test that asks bash
// whether the setuid bit outlives a remapped snapshot.
func ownershipLayer() []file {
	return []file{
		{name: "bin/bash", mode: 0o755, body: []byte("#!/bin/sh\nexec /bin/sh \"$@\"\n")},
		{name: "usr/bin/passwd", mode: 0o4755, body: []byte("#!/bin/sh\n")},
	}
}

// content is what the registry serves: blobs by digest, tags by "name:tag".
type content struct {
	blobs map[string][]byte
	types map[string]string
	tags  map[string]string
}

func newContent() *content {
	return &content{blobs: map[string][]byte{}, types: map[string]string{}, tags: map[string]string{}}
}

func (c *content) add(mediaType string, body []byte) descriptor {
	d := digest(body)
	c.blobs[d], c.types[d] = body, mediaType
	return descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body))}
}

func (c *content) addJSON(mediaType string, v any) (descriptor, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return c.add(mediaType, body), nil
}

// addImage adds an index of one manifest, bottom layer first.
func (c *content) addImage(name, tag, arch string, layers [][]file) error {
	var diffIDs []string
	var descs []descriptor
	for _, files := range layers {
		diffID, packed, err := pack(files)
		if err != nil {
			return err
		}
		diffIDs = append(diffIDs, diffID)
		descs = append(descs, c.add(mediaLayer, packed))
	}
	config, err := c.addJSON(mediaConfig, map[string]any{
		"architecture": arch,
		"os":           "linux",
		"config":       map[string]any{"Env": []string{"PATH=/bin:/usr/bin"}, "Cmd": []string{"sh"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return err
	}
	manifest, err := c.addJSON(mediaManifest, map[string]any{
		"schemaVersion": 2, "mediaType": mediaManifest, "config": config, "layers": descs,
	})
	if err != nil {
		return err
	}
	manifest.Platform = map[string]string{"architecture": arch, "os": "linux"}
	index, err := c.addJSON(mediaIndex, map[string]any{
		"schemaVersion": 2, "mediaType": mediaIndex, "manifests": []descriptor{manifest},
	})
	if err != nil {
		return err
	}
	c.tags[name+":"+tag] = index.Digest
	return nil
}

// pack returns the digest of the layer's tar stream and the stream gzipped.
func pack(files []file) (diffID string, packed []byte, err error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	sum := sha256.New()
	tw := tar.NewWriter(io.MultiWriter(zip, sum))
	for _, f := range files {
		if err := f.write(tw); err != nil {
			return "", nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return "", nil, err
	}
	if err := zip.Close(); err != nil {
		return "", nil, err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), out.Bytes(), nil
}

func (f file) write(tw *tar.Writer) error {
	h := &tar.Header{Name: f.name, Mode: f.mode, Typeflag: tar.TypeReg, Size: int64(len(f.body))}
	switch {
	case f.link != "":
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, f.link, 0
	case strings.HasSuffix(f.name, "/"):
		h.Typeflag, h.Size = tar.TypeDir, 0
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := tw.Write(f.body)
	return err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
