package stdio

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for raw, want := range map[string]target{
		"":                           {},
		"/run/fifo":                  {scheme: schemePath, path: "/run/fifo"},
		"/run/a b#c?d":               {scheme: schemePath, path: "/run/a b#c?d"},
		"fifo:///run/fifo":           {scheme: schemePath, path: "/run/fifo"},
		"file:///var/log/a%20b":      {scheme: schemeFile, path: "/var/log/a b"},
		"binary:///bin/log":          {scheme: schemeBinary, path: "/bin/log"},
		"binary:///l?b=1&a&b=2&c=%3": {scheme: schemeBinary, path: "/l", args: []string{"b", "1", "a", ""}},
		"binary-v2:///l?x=a%26b+c":   {scheme: schemeBinaryV2, path: "/l", args: []string{"x", "a&b c"}},
	} {
		got, err := parseTarget(stdout, raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %+v, %v\nwant %+v", raw, got, err, want)
		}
	}
}

// FuzzParseTarget holds what is parsed against net/url: a logging binary gets
// the same arguments as from the stock shim, in a fixed order.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"", "/run/fifo", "file:///log", "binary:///bin/log?id=x&&a=1;b=2&c", "binary-v2://host/p?%zz=1&=&a=b=c",
		"binary:opaque?x", "BINARY:///x", "://", "fifo:", "file:///%00", "binary:///l?a=1&a=2&b#frag",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(stdout, raw)
		if err != nil {
			return
		}
		if !got.isBinary() && got.args != nil {
			t.Fatalf("arguments without a binary: %+v", got)
		}
		if !got.isBinary() {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		checkArgs(t, got.args, u.Query())
	})
}

func checkArgs(t *testing.T, args []string, query url.Values) {
	t.Helper()
	if len(args) != 2*len(query) {
		t.Fatalf("%d arguments of %d keys: %q", len(args), len(query), args)
	}
	for i := 0; i < len(args); i += 2 {
		if values := query[args[i]]; len(values) == 0 || values[0] != args[i+1] {
			t.Fatalf("key %q has %q, want %q", args[i], args[i+1], values)
		}
	}
}

// FuzzParseTargets checks what the rest of the package relies on.
func FuzzParseTargets(f *testing.F) {
	f.Add("", "", false)
	f.Add("/out", "/err", false)
	f.Add("binary:///l", "binary:///l", false)
	f.Add("/out", "binary:///l", true)
	f.Fuzz(func(t *testing.T, out, err string, terminal bool) {
		got, parseErr := parseTargets(Spec{Stdout: out, Stderr: err, Terminal: terminal})
		if parseErr != nil {
			if strings.TrimSpace(parseErr.Error()) == "" {
				t.Fatal("an error without a word")
			}
			return
		}
		if got.stderr.isBinary() || (terminal || got.stdout.isBinary()) && got.stderr.scheme != schemeNone {
			t.Fatalf("stderr goes to %+v", got.stderr)
		}
	})
}
