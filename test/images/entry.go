package images

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"time"
)

// epoch is the modification time of everything in an image, so that the same
// Config gives the same digest everywhere.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Entry is one file as a layer holds it.
type Entry struct {
	Path     string            // relative to the root, without a leading slash
	Type     byte              // a tar.Type* constant
	Mode     int64             // permission bits with set-user-ID, set-group-ID and sticky, as in tar
	UID, GID int               // as seen inside the container
	Link     string            // target of a symbolic link; for a hard link the other path
	Data     []byte            // content of a regular file
	Xattrs   map[string]string // extended attributes by full name
}

// whiteout reports which path the entry hides, whether it hides everything that
// lower layers have in the directory (opaque), and whether it is one at all.
func (e Entry) whiteout() (hidden string, opaque, is bool) {
	dir, base := path.Split(e.Path)
	if base == opaqueMarker {
		return path.Clean(dir), true, true
	}
	if len(base) > len(whiteoutPrefix) && base[:len(whiteoutPrefix)] == whiteoutPrefix {
		return path.Join(dir, base[len(whiteoutPrefix):]), false, true
	}
	return "", false, false
}

// Whiteout names of the OCI image specification.
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

func dir(name string, mode int64) Entry {
	return Entry{Path: name, Type: tar.TypeDir, Mode: mode}
}

func file(name string, mode int64, uid, gid int, data string) Entry {
	return Entry{Path: name, Type: tar.TypeReg, Mode: mode, UID: uid, GID: gid, Data: []byte(data)}
}

func symlink(name, target string) Entry {
	return Entry{Path: name, Type: tar.TypeSymlink, Mode: 0o777, Link: target}
}

// writeLayer writes entries as an uncompressed tar stream.
func writeLayer(w io.Writer, entries []Entry) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		h := e.header()
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot write header of %q: %w", e.Path, err)
		}
		if _, err := tw.Write(e.Data); err != nil {
			return fmt.Errorf("cannot write %q: %w", e.Path, err)
		}
	}
	return tw.Close()
}

func (e Entry) header() *tar.Header {
	h := &tar.Header{
		Typeflag: e.Type, Name: e.Path, Linkname: e.Link, Size: int64(len(e.Data)),
		Mode: e.Mode, Uid: e.UID, Gid: e.GID, ModTime: epoch, Format: tar.FormatPAX,
	}
	if e.Type == tar.TypeDir {
		h.Name += "/"
	}
	for name, value := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = make(map[string]string)
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	return h
}
