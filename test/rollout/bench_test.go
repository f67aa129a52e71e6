package rollout

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"tango/test/harness"
)

// benchNamespace is what tango bench makes in containerd.
const benchNamespace = "tango-bench"

// bench is a run of tango bench against a node's containerd, in a temporary
// directory of its own, in which nothing may be left.
type bench struct {
	*exec.Cmd
	temp string
	out  bytes.Buffer
	errs harness.Output
}

func newBench(h *host, args ...string) *bench {
	b := &bench{temp: h.t.TempDir()}
	all := append([]string{"bench", "-address", h.Address(), "-quick"}, args...)
	b.Cmd = exec.CommandContext(h.Ctx(), h.tango, all...)
	b.Env = append(os.Environ(), "TMPDIR="+b.temp)
	b.Stdout, b.Stderr = &b.out, &b.errs
	return b
}

// nothingLeft fails the test if the run has left anything in containerd or elsewhere.
func (b *bench) nothingLeft(h *host) {
	h.t.Helper()
	all, err := h.Client().NamespaceService().List(h.Ctx())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range all {
		if name == benchNamespace {
			h.t.Errorf("left: namespaces %v", all)
		}
	}
	ctx := namespaces.WithNamespace(h.Ctx(), benchNamespace)
	err = h.Client().SnapshotService(harness.Snapshotter).Walk(ctx, func(_ context.Context, i snapshots.Info) error {
		h.t.Errorf("left: snapshot %s", i.Name)
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
	if left, err := os.ReadDir(b.temp); err != nil || len(left) != 0 {
		h.t.Errorf("left: files %v, %v", left, err)
	}
	processes, err := h.Processes()
	for _, p := range processes {
		if strings.Contains(p.Command, "-namespace "+benchNamespace+" ") {
			h.t.Errorf("left: process %+v", p)
		}
	}
	if err != nil {
		h.t.Error(err)
	}
}

// TestBench measures with an image and a spec of the user's, in a namespace that is
// not the image's.
func TestBench(t *testing.T) {
	h := newHost(t)
	image := h.Image(5)
	user := h.Run(harness.Spec{Image: image, Options: h.options(tangoOnly)})
	spec, err := user.Spec(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	spec.Hostname = "from-the-spec"
	dir := t.TempDir()
	file := filepath.Join(dir, "spec.json")
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	result := filepath.Join(dir, "result.json")
	b := newBench(h, "-image", image.Name(), "-spec", file, "-json", result, "-plots", dir)
	if err := b.Run(); err != nil {
		t.Fatalf("%v\n%s", err, b.errs.String())
	}
	t.Logf("%s", b.out.String())
	report := decodeJSON[struct{ Rows []struct{ ID string } }](t, readFile(t, result))
	seen := map[string]bool{}
	for _, r := range report.Rows {
		seen[r.ID] = true
	}
	for _, want := range []string{"start", "delete", "pod", "exec", "burst", "burst.p99", "concurrency.4", "running.6", "memory.pss"} {
		if !seen[want] {
			t.Errorf("no row %s in %v", want, seen)
		}
	}
	for _, picture := range []string{"latency.svg", "ratios.png", "load.svg"} {
		if _, err := os.Stat(filepath.Join(dir, picture)); err != nil {
			t.Error(err)
		}
	}
	b.nothingLeft(h)
	if _, err := h.Client().GetImage(h.Ctx(), image.Name()); err != nil {
		t.Errorf("the user's image: %v", err)
	}
	if out := h.Output(user, "echo", "alive"); out != "alive\n" {
		t.Errorf("the user's container says %q", out)
	}
}

// TestBenchInterrupted ends a run while containers start, in order and then by
// SIGKILL: the next run takes away what that has left.
func TestBenchInterrupted(t *testing.T) {
	h := newHost(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		b := newBench(h, "-only", "start", "-rounds", "1000")
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.Wait() }()
		h.Eventually("containers run", func() bool {
			tasks, err := h.Client().Containers(namespaces.WithNamespace(h.Ctx(), benchNamespace))
			return err == nil && len(tasks) >= 3 || len(ended) > 0 // two residents, and one that is measured
		})
		if err := b.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		if sig == syscall.SIGINT {
			if b.ProcessState.ExitCode() != 130 || !strings.Contains(b.errs.String(), "interrupted") {
				t.Errorf("%v: %v\n%s", sig, err, b.errs.String())
			}
			b.nothingLeft(h)
			continue
		}
		next := newBench(h, "-only", "exec", "-rounds", "1")
		next.Env = append(next.Env, "TMPDIR="+b.temp) // where the dead one's notes are
		next.temp = b.temp
		if err := next.Run(); err != nil {
			t.Fatalf("after %v: %v\n%s", sig, err, next.errs.String())
		}
		next.nothingLeft(h)
	}
}

// TestBenchRefuses what it can't do, before it makes anything.
func TestBenchRefuses(t *testing.T) {
	h := newHost(t)
	for args, want := range map[string]string{
		"-image no.such/image:1":       "cannot find the image",
		"-address /nonsense":           "containerd's socket",
		"-only nothing":                "there are",
		"-spec /nonsense":              "no such file",
		"-rounds 0":                    "-rounds",
		"-against io.containerd.no.v1": "io.containerd.no.v1",
	} {
		b := newBench(h, strings.Fields(args)...)
		if err := b.Run(); err == nil || !strings.Contains(b.errs.String(), want) {
			t.Errorf("%s: %v, want %q in\n%s", args, err, want, b.errs.String())
		}
		b.nothingLeft(h)
	}
}

// TestBenchOfAnother finds that the namespace is somebody's own.
func TestBenchOfAnother(t *testing.T) {
	h := newHost(t)
	if err := h.Client().NamespaceService().Create(h.Ctx(), benchNamespace, nil); err != nil {
		t.Fatal(err)
	}
	b := newBench(h)
	if err := b.Run(); err == nil || !strings.Contains(b.errs.String(), "somebody else") {
		t.Errorf("%v\n%s", err, b.errs.String())
	}
	if err := h.Client().NamespaceService().Delete(h.Ctx(), benchNamespace); err != nil {
		t.Errorf("the namespace: %v", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
