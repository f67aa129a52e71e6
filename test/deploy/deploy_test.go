// Package deploy checks the files below deploy/: they are built with kustomize's own
// code, decoded strictly into Kubernetes' own types, and held against what the
// scheduler, the tango command and containerd's drop-in files make of them. The
// dashboard is held against Grafana's types and Prometheus' parser.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const kubernetes = "../../deploy/kubernetes"

// strict decodes only what the types know, and nothing twice.
var strict = newStrict()

func newStrict() *json.Serializer {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, nodev1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the types of one release contradict each other
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

// decode gives one object of a YAML document.
func decode(t *testing.T, text []byte) runtime.Object {
	t.Helper()
	o, _, err := strict.Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return o
}

// overlay builds one, and gives its objects.
func overlay(t *testing.T, name string) []runtime.Object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(kubernetes, "overlays", name))
	if err != nil {
		t.Fatal(err)
	}
	var list []runtime.Object
	for _, r := range built.Resources() {
		list = append(list, decode(t, []byte(r.MustYaml())))
	}
	return list
}

// of picks the objects of one type.
func of[T runtime.Object](objects []runtime.Object) []T {
	var list []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			list = append(list, typed)
		}
	}
	return list
}

func overlays(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(kubernetes, "overlays", "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no overlays: %v", err)
	}
	for n, dir := range dirs {
		dirs[n] = filepath.Base(dir)
	}
	return dirs
}

func TestOverlaysAreKubernetesObjects(t *testing.T) {
	for _, name := range overlays(t) {
		objects := overlay(t, name)
		if len(of[*appsv1.DaemonSet](objects)) != 2 || len(of[*nodev1.RuntimeClass](objects)) != 2 || len(of[*corev1.Namespace](objects)) != 1 {
			t.Errorf("%s: %d objects", name, len(objects))
		}
	}
}

// Strict decoding is worth something only if it refuses.
func TestDecodingIsStrict(t *testing.T) {
	text := "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: x}\nhandlr: x\n"
	if _, _, err := strict.Decode([]byte(text), nil, nil); err == nil {
		t.Error("an unknown field passes")
	}
}

// node is one of the pool's, as the scheduler sees it.
func node(slot int) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{
		"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
		"tango.containerd.io/pool": "true", "tango.containerd.io/slot": fmt.Sprint(slot),
	}}}
}

// runsOn asks the scheduler's own code.
func runsOn(t *testing.T, d *appsv1.DaemonSet, n *corev1.Node) bool {
	t.Helper()
	pod := &corev1.Pod{Spec: d.Spec.Template.Spec}
	ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Every node is in exactly one arm, and the arm tango has the share that the
// overlay's name says.
func TestShares(t *testing.T) {
	for name, percent := range map[string]int{"off": 0, "canary": 10, "half": 50, "all": 100} {
		var before int
		for slot := 1; slot <= 100; slot++ {
			var arms []string
			for _, d := range of[*appsv1.DaemonSet](overlay1(t, name)) {
				if runsOn(t, d, node(slot)) {
					arms = append(arms, d.Labels["tango.containerd.io/arm"])
				}
			}
			if len(arms) != 1 {
				t.Fatalf("%s: slot %d is in arms %q", name, slot, arms)
			}
			if arms[0] == "tango" {
				before++
			}
			if (arms[0] == "tango") != (slot <= percent) {
				t.Errorf("%s: slot %d is in arm %s", name, slot, arms[0])
			}
		}
		if before != percent {
			t.Errorf("%s: %d of 100 slots run tango, want %d", name, before, percent)
		}
	}
}

var built = map[string][]runtime.Object{}

// overlay1 builds each overlay once.
func overlay1(t *testing.T, name string) []runtime.Object {
	t.Helper()
	if built[name] == nil {
		built[name] = overlay(t, name)
	}
	return built[name]
}

// Machines outside the pool are left alone.
func TestOtherNodes(t *testing.T) {
	for label, value := range map[string]string{
		"kubernetes.io/os": "windows", "kubernetes.io/arch": "s390x", "tango.containerd.io/pool": "", "tango.containerd.io/slot": "",
	} {
		n := node(1)
		n.Labels[label] = value
		if value == "" {
			delete(n.Labels, label)
		}
		for _, d := range of[*appsv1.DaemonSet](overlay1(t, "all")) {
			if runsOn(t, d, n) {
				t.Errorf("%s runs on a node with %s %q", d.Name, label, value)
			}
		}
	}
}

// What the API server would refuse and the types do not show.
func TestDaemonSets(t *testing.T) {
	for _, name := range overlays(t) {
		for _, d := range of[*appsv1.DaemonSet](overlay1(t, name)) {
			selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
			if err != nil || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
				t.Errorf("%s: %s does not select its own pods (%v)", name, d.Name, err)
			}
			volumes := make(map[string]bool)
			for _, v := range d.Spec.Template.Spec.Volumes {
				volumes[v.Name] = true
			}
			for _, c := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
				for _, m := range c.VolumeMounts {
					if !volumes[m.Name] {
						t.Errorf("%s: %s mounts volume %q, which is not there", name, d.Name, m.Name)
					}
				}
				if strings.HasPrefix(c.Image, "tango-installer") {
					t.Errorf("%s: image %s has no registry", name, c.Image)
				}
			}
		}
	}
}

// Every handler is a runtime that install adds to containerd.
func TestRuntimeClasses(t *testing.T) {
	known := ""
	files, err := filepath.Glob("../../deploy/containerd/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		known += string(text)
	}
	for _, c := range of[*nodev1.RuntimeClass](overlay1(t, "all")) {
		if !strings.Contains(known, ".runtimes."+c.Handler+"]") {
			t.Errorf("no drop-in file has the runtime %s", c.Handler)
		}
		want := labels.SelectorFromSet(c.Scheduling.NodeSelector)
		if !want.Matches(labels.Set(node(1).Labels)) {
			t.Errorf("%s: pods go to %s, not to the pool", c.Name, want)
		}
	}
}

// The installers' command lines, run on a tree of the test's.
func TestInstallersRun(t *testing.T) {
	from := t.TempDir()
	command := filepath.Join(from, "tango")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", command, "./shim/cmd/tango")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(from, "containerd-shim-tango-v2"), []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	systemctl(t, root)
	for _, name := range []string{"canary", "off", "remove"} {
		for _, d := range of[*appsv1.DaemonSet](overlay1(t, name)) {
			args := slices.Clone(d.Spec.Template.Spec.InitContainers[0].Args)
			args[slices.Index(args, "/host")] = root
			if out, err := exec.CommandContext(t.Context(), command, args...).CombinedOutput(); err != nil {
				t.Errorf("%s: tango %q: %v\n%s", name, args, err, out)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(root, "usr/local/bin/containerd-shim-tango-v2")); err == nil {
		t.Error("the shim is still there after removal")
	}
}

// systemctl gives the tree one that does nothing, with a shell to run it.
func systemctl(t *testing.T, root string) {
	t.Helper()
	shell, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"bin/sh": shell, "usr/bin/systemctl": []byte("#!/bin/sh\nexit 0\n")} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// The example is what Kubernetes takes, and asks for a runtime class that is there.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(kubernetes, "examples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			pod, ok := decode(t, []byte(document)).(*corev1.Pod)
			if ok && *pod.Spec.RuntimeClassName != "tango" {
				t.Errorf("%s: runtime class %s", file, *pod.Spec.RuntimeClassName)
			}
		}
	}
}

// Units find the command wherever it was installed: tango install and the package put
// it into different places of systemd's search path.
func TestUnitsNameNoPlace(t *testing.T) {
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(units) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, file := range units {
		if text := read(t, file); !strings.Contains(text, "\nExecStart=tango ") || strings.Contains(text, "bin/tango ") {
			t.Errorf("%s executes something else than what it may find:\n%s", file, text)
		}
	}
}
