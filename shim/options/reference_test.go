package options

import (
	goflag "flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

//go:generate go test -run TestReference . -update

var update = goflag.Bool("update", false, "write the reference in docs/operations.md anew")

// The reference is between these lines.
const (
	operations  = "../../docs/operations.md"
	beginMarker = "<!-- Generated from shim/options by go generate ./shim/options: change it there. -->\n"
	endMarker   = "<!-- End of what is generated. -->\n"
)

// source is what config.go says, besides code.
type source struct {
	meaning   map[string]string // by key, in small letters: the field's comment
	constants map[string]string // values of the package's string constants
}

// readSource reads config.go.
func readSource(t *testing.T) source {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	s := source{make(map[string]string), make(map[string]string)}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			s.constant(n)
		case *ast.TypeSpec:
			if fields, ok := n.Type.(*ast.StructType); ok && n.Name.Name == "Config" {
				s.fields(fields)
			}
		}
		return true
	})
	return s
}

func (s source) constant(n *ast.ValueSpec) {
	for i, value := range n.Values {
		if text, ok := value.(*ast.BasicLit); ok && text.Kind == token.STRING {
			s.constants[n.Names[i].Name], _ = strconv.Unquote(text.Value)
		}
	}
}

// fields notes the comment of each field by the name in its tag. Of fields that share
// one, the first has it.
func (s source) fields(n *ast.StructType) {
	doc := ""
	for _, field := range n.Fields.List {
		if field.Tag == nil {
			continue
		}
		if text := field.Doc.Text(); text != "" {
			doc = strings.Join(strings.Fields(text), " ")
		}
		tag, _ := strconv.Unquote(field.Tag.Value)
		name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		s.meaning[strings.ToLower(name)] = s.plain(doc)
	}
}

// plain takes a comment's links out: a constant's is its value.
func (s source) plain(doc string) string {
	for name, value := range s.constants {
		doc = strings.ReplaceAll(doc, "["+name+"]", "`"+value+"`")
	}
	return strings.NewReplacer("|", `\|`, "[", "", "]", "").Replace(doc)
}

// kind is what TOML has for a field's type.
func kind(f reflect.StructField) string {
	switch f.Type.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Uint32, reflect.Int64, reflect.Uint64:
		return "integer"
	default:
		return "table"
	}
}

// reference is the table of all keys.
func reference(t *testing.T) string {
	t.Helper()
	s := readSource(t)
	types := make(map[string]string)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		types[strings.ToLower(name)] = kind(f)
	}
	var b strings.Builder
	b.WriteString("| key | type | meaning |\n|---|---|---|\n")
	for _, k := range keys {
		name := strings.ToLower(k.name)
		if s.meaning[name] == "" || types[name] == "" {
			t.Errorf("key %s has no field of Config with a comment", k.name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, types[name], s.meaning[name])
	}
	return b.String()
}

// TestReference holds the documentation to the code.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), beginMarker)
	have, after, ended := strings.Cut(rest, endMarker)
	if !found || !ended {
		t.Fatalf("%s has no place for the reference", operations)
	}
	want := reference(t)
	if *update {
		if err := os.WriteFile(operations, []byte(before+beginMarker+want+endMarker+after), 0o644); err != nil {
			t.Fatal(err)
		}
		have = want
	}
	if have != want {
		t.Errorf("%s is not what the code says: run go generate ./shim/options", operations)
	}
}
