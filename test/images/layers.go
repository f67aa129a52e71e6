package images

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Busybox is where Debian's package busybox-static puts the program.
const Busybox = "/bin/busybox"

// Owners of the files in the layers: layer n's files belong to
// firstOwner + n % owners, so that an id mapping that is off by anything shows.
const (
	firstOwner = 1000
	owners     = 50
)

// base is the lowest layer: busybox with a link for each of its programs, and
// the directories and accounts that programs expect.
func base(busybox string) ([]Entry, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, fmt.Errorf("cannot read busybox (Debian package busybox-static): %w", err)
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the programs of %s: %w", busybox, err)
	}
	var entries []Entry
	for _, name := range []string{"bin", "dev", "etc", "proc", "root", "run", "sys", "usr", "usr/bin", "var", "home"} {
		entries = append(entries, dir(name, 0o755))
	}
	entries = append(entries, dir("tmp", 0o1777), dir("shared", 0o755), dir("layers", 0o755),
		file("etc/passwd", 0o644, 0, 0, "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n"),
		file("etc/group", 0o644, 0, 0, "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n"),
		file("etc/hosts", 0o644, 0, 0, "127.0.0.1 localhost\n"),
		Entry{Path: "bin/busybox", Type: tar.TypeReg, Mode: 0o755, Data: program})
	for _, name := range strings.Fields(string(applets)) {
		if name != "busybox" {
			entries = append(entries, symlink("bin/"+name, "busybox"))
		}
	}
	return entries, nil
}

// small is layer n (from 1): files of its own, and changes to those below it.
func small(n int) []Entry {
	owner := firstOwner + n%owners
	own := fmt.Sprintf("layers/%03d", n)
	label := fmt.Sprintf("layer %d\n", n)
	entries := []Entry{
		{Path: own, Type: tar.TypeDir, Mode: 0o750, UID: owner, GID: owner},
		file(own+"/data", 0o640, owner, owner+1, label),
		{Path: own + "/hard", Type: tar.TypeLink, Mode: 0o640, UID: owner, GID: owner + 1, Link: own + "/data"},
		symlink(own+"/link", "data"),
		file(own+"/setuid", 0o4755, owner, 0, "#!/bin/sh\n"),
		file(own+"/setgid", 0o2755, 0, owner, "#!/bin/sh\n"),
		{Path: own + "/xattr", Type: tar.TypeReg, Mode: 0o644, Data: []byte(label), Xattrs: map[string]string{"user.layer": fmt.Sprint(n)}},
		{Path: own + "/fifo", Type: tar.TypeFifo, Mode: 0o600, UID: owner, GID: owner},
		file(own+"/gone", 0o644, 0, 0, "the next layer takes this away\n"),
		file("shared/last", 0o644, owner, owner, label),
		file(fmt.Sprintf("shared/%03d", n), 0o600, owner, owner, label),
		{Path: "shared/opaque", Type: tar.TypeDir, Mode: 0o755, UID: owner, GID: owner},
	}
	if n%5 == 0 {
		entries = append(entries, Entry{Path: "shared/opaque/" + opaqueMarker, Type: tar.TypeReg, Mode: 0o644})
	}
	entries = append(entries, file(fmt.Sprintf("shared/opaque/%03d", n), 0o644, owner, owner, label))
	if n > 1 {
		gone := fmt.Sprintf("layers/%03d/%sgone", n-1, whiteoutPrefix)
		entries = append(entries, Entry{Path: gone, Type: tar.TypeReg, Mode: 0o644})
	}
	return entries
}
