package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/shim/rollout"
)

func TestRecordsArrive(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, func() map[string]float64 { return map[string]float64{"queue": 7} })
	sender := NewSender(dir)
	defer sender.Close()

	rec := sender.Begin(Record{Op: OpCreate, Arm: "tango", Way: "plain", Container: "a", Gauges: map[string]int64{"groups": 2}})
	outer := rec.Phase("place")
	rec.Phase("attach")()
	outer()
	rec.Count("layers", 50)
	rec.Count("nothing", 0)
	rec.End(nil, "")
	rec.End(errTest, "") // only the first counts

	failed := sender.Begin(Record{Op: OpCreate, Arm: "tango", Container: "b"})
	failed.Phase("rootfs")()
	failed.End(errTest, "")
	classed := sender.Begin(Record{Op: OpStart, Arm: "control", Container: "c"})
	classed.End(errTest, ResultCommand)
	early := sender.Begin(Record{Op: OpStart, Arm: "control", Container: "d"})
	early.End(errTest, "")

	s := snapshot(t, dir, "four records", func(s Snapshot) bool { return s.Records == 4 })
	want := []Operation{
		{OpCreate, "tango", "", "rootfs", 1}, {OpCreate, "tango", "plain", ResultOK, 1},
		{OpStart, "control", "", ResultCommand, 1}, {OpStart, "control", "", "request", 1},
	}
	if fmt.Sprint(s.Operations) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", s.Operations, want)
	}
	if s.Bad+s.Dropped+s.Lost != 0 || s.Gauges["queue"] != 7 || s.Pid != os.Getpid() || s.Kernel == "" || s.Hardware == "unknown" {
		t.Errorf("%+v", s)
	}
	if len(s.Shims) != 1 || s.Shims[0].Pid != os.Getpid() || s.Shims[0].Gauges["groups"] != 2 {
		t.Errorf("shims: %+v", s.Shims)
	}
	if len(s.Counts) != 1 || s.Counts[0] != (Count{"layers", "tango", 50}) {
		t.Errorf("counts: %+v", s.Counts)
	}
	checkStored(t, dir)
}

// checkStored finds the same in the files.
func checkStored(t *testing.T, dir string) {
	t.Helper()
	records := readAll(t, dir)
	if len(records) != 4 {
		t.Fatalf("%d records in files", len(records))
	}
	first := records[0]
	if names := fmt.Sprint(first.Phases[0].Name, first.Phases[1].Name); names != "attachplace" || first.Node == "" || first.Kernel == "" {
		t.Errorf("%+v", first)
	}
	if first.Phases[0].At < first.Phases[1].At || first.Took < first.Phases[1].Took {
		t.Errorf("phases don't lie within one another: %+v", first)
	}
	if records[1].Error != errTest.Error() || !records[1].Blames() || records[2].Blames() {
		t.Errorf("%+v", records[1:])
	}
}

func readAll(t *testing.T, dir string) (all []Record) {
	t.Helper()
	for _, name := range RecordFiles(dir) {
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		bad, err := Read(f, func(r Record) { all = append(all, r) })
		_ = f.Close()
		if err != nil || bad > 0 {
			t.Errorf("%s: %d bad lines, %v", name, bad, err)
		}
	}
	return all
}

// A shim must run the same whether anybody listens or not.
func TestNobodyListens(t *testing.T) {
	dir := t.TempDir()
	sender := NewSender(dir)
	for range 3 {
		sender.Begin(sample()).End(nil, "")
	}
	eventually(t, "three records dropped", func() bool { return sender.Dropped() == 3 })
	if _, err := Fetch(t.Context(), dir); !errors.Is(err, ErrNobody) {
		t.Errorf("Fetch: %v", err)
	}
	serve(t, dir)
	sender.Begin(sample()).End(nil, "")
	snapshot(t, dir, "the next one tells of them", func(s Snapshot) bool { return s.Records == 1 && s.Dropped == 3 })
	eventually(t, "told once", func() bool { return sender.Dropped() == 0 })
	sender.Close()
	sender.Close()
	sender.Begin(sample()).End(nil, "")
}

func TestNilSenderAndUnusedSender(t *testing.T) {
	var sender *Sender
	rec := sender.Begin(sample())
	rec.Phase("x")()
	rec.Count("x", 1)
	rec.Edit(func(*Record) { t.Error("edits nothing") })
	rec.End(nil, "")
	sender.Close()
	NewSender(t.TempDir()).Close()
}

// More shims than the kernel lets datagrams wait.
func TestBurst(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	const shims, each = 40, 5
	for range shims {
		go func() {
			sender := NewSender(dir)
			for range each {
				sender.Begin(sample()).End(nil, "")
			}
		}()
	}
	// On a machine where the collector gets no CPU for long, records are dropped,
	// and then their sender keeps the number until it sends again.
	snapshot(t, dir, "nearly all of a burst", func(s Snapshot) bool { return s.Records >= shims*each*9/10 })
}

func TestCollectorIsReplaced(t *testing.T) {
	dir := t.TempDir()
	stop := serve(t, dir)
	sender := NewSender(dir)
	defer sender.Close()
	sender.Begin(sample()).End(nil, "")
	snapshot(t, dir, "the first", func(s Snapshot) bool { return s.Records == 1 })

	// The second waits for the first one's end, and goes on in the same files.
	second := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { second <- Serve(ctx, dir) }()
	stop()
	eventually(t, "the second answers", func() bool { _, err := Fetch(t.Context(), dir); return err == nil })
	sender.Begin(sample()).End(nil, "")
	snapshot(t, dir, "the second has one", func(s Snapshot) bool { return s.Records == 1 })
	cancel()
	if err := <-second; err != nil {
		t.Error(err)
	}
	if n := len(readAll(t, dir)); n != 2 {
		t.Errorf("%d records in files", n)
	}
	if _, err := Fetch(t.Context(), dir); !errors.Is(err, ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

func TestBadDatagrams(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	conn, err := net.Dial("unixgram", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bad := []string{
		"x", "{}", "[]", "null", `{"op":"create"}`, strings.Repeat("[", 10000), strings.Repeat("x", maxDatagram+10),
		edited(t, func(r *Record) { r.Op = "Create" }), edited(t, func(r *Record) { r.Arm = strings.Repeat("a", 100) }),
		edited(t, func(r *Record) { r.Took = -1 }), edited(t, func(r *Record) { r.Container = strings.Repeat("a", 1000) }),
		edited(t, func(r *Record) { r.Phases = make([]Phase, 100) }), edited(t, func(r *Record) { r.Phases[0].Name = "a b" }),
		edited(t, func(r *Record) { r.Counts["x"] = -1 }), edited(t, func(r *Record) { r.Gauges = map[string]int64{"\x00": 1} }),
		edited(t, func(r *Record) { r.Base = "\n" }), edited(t, func(r *Record) { r.Time = time.Time{} }),
	}
	for _, text := range bad {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write([]byte(edited(t, func(*Record) {}))); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, dir, "all taken", func(s Snapshot) bool { return s.Records == 1 })
	if s.Bad != uint64(len(bad)) {
		t.Errorf("%d of %d bad ones counted", s.Bad, len(bad))
	}
}

func edited(t *testing.T, edit func(*Record)) string {
	t.Helper()
	r := sample()
	edit(&r)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Descriptors in a datagram must not stay open in the collector.
func TestDescriptorsAreNotTaken(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unixgram"}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, _, err := conn.WriteMsgUnix([]byte(edited(t, func(*Record) {})), unix.UnixRights(int(w.Fd())), to); err != nil {
			t.Fatal(err)
		}
	}
	snapshot(t, dir, "all looked at", func(s Snapshot) bool { return s.Records+s.Bad == 5 })
	_ = w.Close()
	// End of file says that nobody has the other end any more.
	_ = r.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("%d, %v: the collector holds the descriptor", n, err)
	}
}

// strangerEnv in the environment names the run directory whose sockets
// the test binary tries, as another user.
const strangerEnv = "TANGO_TEST_STRANGER"

func stranger(dir string) {
	conn, err := net.Dial("unixgram", filepath.Join(dir, socketName))
	if err == nil {
		r := sample()
		data, _ := json.Marshal(r)
		_, err = conn.Write(data)
	}
	fmt.Println("STRANGER sent:", err)
	stats, err := net.Dial("unix", filepath.Join(dir, statsName))
	if err != nil {
		fmt.Println("STRANGER cannot connect:", err)
		return
	}
	got, err := io.ReadAll(stats)
	fmt.Printf("STRANGER got %d bytes, %v\n", len(got), err)
}

func TestStrangersAreRefused(t *testing.T) {
	dir, err := os.MkdirTemp("", "tango-telemetry-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	stop := serve(t, dir)
	for _, name := range []string{socketName, statsName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		// What if somebody opens them up?
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, name), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), strangerEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), "STRANGER got 0 bytes") {
		t.Errorf("%v\n%s", err, out)
	}
	s := snapshot(t, dir, "the datagram was looked at", func(s Snapshot) bool { return s.Bad+s.Records > 0 })
	if s.Records != 0 || s.Bad != 1 {
		t.Errorf("%d taken, %d refused", s.Records, s.Bad)
	}
	stop()
}

// An arm that fails is switched off, and counted anew when it
// is switched on again.
func TestGuardSwitchesOff(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	sender := NewSender(dir)
	defer sender.Close()
	sent := uint64(0)
	send := func(i int, arm string, err error) {
		r := Record{Op: OpCreate, Arm: arm, Base: "control", ArmWhy: rollout.WhyHash, Container: fmt.Sprint(i), Pod: fmt.Sprint("pod", i)}
		rec := sender.Begin(r)
		rec.Phase("rootfs")()
		rec.End(err, "")
		sent++
		snapshot(t, dir, "it is taken", func(s Snapshot) bool { return s.Records == sent })
	}
	for i := range 25 {
		send(i, "control", nil)
		send(i, "tango", nil)
	}
	for i := 0; ; i++ {
		send(i, "tango", errTest)
		if state, err := rollout.LoadState(dir); err != nil {
			t.Fatal(err)
		} else if sw, off := state.Disabled["tango"]; off {
			if sw.By != rollout.ByGuard || !strings.Contains(sw.Why, "failed") || i < 3 {
				t.Errorf("after %d failures: %+v", i+1, sw)
			}
			break
		}
		if i == 50 {
			t.Fatal("not switched off by fifty failures")
		}
	}
	s := snapshot(t, dir, "told", func(s Snapshot) bool { return len(s.Rollout.Disabled) == 1 })
	if s.Rollout.Rates["tango"].Failed < 4 {
		t.Errorf("%+v", s.Rollout)
	}
	if _, err := rollout.Enable(dir, "tango"); err != nil {
		t.Fatal(err)
	}
	send(0, "tango", nil)
	s = snapshot(t, dir, "told", func(s Snapshot) bool { return len(s.Rollout.Disabled) == 0 })
	if r := s.Rollout.Rates["tango"]; r.Starts != 1 || r.Failed != 0 {
		t.Errorf("%+v", s.Rollout)
	}
}

func TestDamagedStateIsTold(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "rollout.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot(t, dir, "the problem", func(s Snapshot) bool { return s.Rollout.Problem != "" })
}

func TestTablesAreBounded(t *testing.T) {
	tally := newTally()
	for i := range maxSeries + 10 {
		r := sample()
		r.Way, r.Shim, r.Gauges = fmt.Sprint("w", i), i+1, map[string]int64{"x": 1}
		tally.add(&r)
	}
	s := tally.snapshot()
	if len(s.Operations) > maxSeries || len(s.Shims) > maxShims || s.Records != maxSeries+10 {
		t.Errorf("%d operations, %d shims, %d records", len(s.Operations), len(s.Shims), s.Records)
	}
}
