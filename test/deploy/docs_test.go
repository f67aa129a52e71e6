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
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("../../deploy/containerd/tango.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(file), "version = 3\n")
	if tables == "" || !strings.Contains(string(readme), tables) {
		t.Errorf("README does not have what deploy/containerd/tango.toml has:\n%s", tables)
	}
}

// link is one in Markdown, to a file.
var link = regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`)

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
