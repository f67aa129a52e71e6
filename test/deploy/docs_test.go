package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What README tells people to copy is what install writes.
func TestReadmeShowsTheDropIn(t *testing.T) {
	_, tables, _ := strings.Cut(read(t, "../../deploy/containerd/tango.toml"), "version = 3\n")
	if tables == "" || !strings.Contains(read(t, "../../README.md"), tables) {
		t.Errorf("README does not have what deploy/containerd/tango.toml has:\n%s", tables)
	}
}

// documents are those that people read, by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	texts := map[string]string{}
	for _, file := range append(files, "../../README.md") {
		texts[file] = read(t, file)
	}
	return texts
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// link is one in Markdown, to a file.
var link = regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`)

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	for file, text := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

var (
	testName   = regexp.MustCompile("`(Test[A-Z]\\w+)")
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	makeCall   = regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)")
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// The tests that documents name are there, in the tree or in containerd's suite, and so is
// what they say to make.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	there := map[string]bool{}
	for _, room := range []string{"mounts", "rootfs", "shim", "test"} {
		err := filepath.WalkDir("../../"+room, func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, "_test.go") {
				for _, match := range testFunc.FindAllStringSubmatch(read(t, path), -1) {
					there[match[1]] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields(read(t, "../../docs/results/conformance.txt")) {
		there[name] = true
	}
	for _, match := range makeTarget.FindAllStringSubmatch(read(t, "../../Makefile"), -1) {
		there["make "+match[1]] = true
	}
	for file, text := range documents(t) {
		for _, match := range testName.FindAllStringSubmatch(text, -1) {
			if !there[match[1]] {
				t.Errorf("%s names %s, which is not there", file, match[1])
			}
		}
		for _, match := range makeCall.FindAllStringSubmatch(text, -1) {
			if !there["make "+match[1]] {
				t.Errorf("%s says make %s, which is no target", file, match[1])
			}
		}
	}
}
