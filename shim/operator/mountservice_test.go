package operator

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tango/mounts/service"
	"tango/mounts/worker"
)

// TestMountService: the command lends turns until it gets SIGTERM, and says so if
// another process does already.
func TestMountService(t *testing.T) {
	dir := t.TempDir()
	var stderr bytes.Buffer
	args := []string{"tango", "mount-service", "--run-dir", dir, "--abreast", "1"}
	ended := make(chan int, 1)
	go func() { ended <- Main(args, os.Stdout, &stderr) }()
	client := service.NewClient(service.ClientConfig{Dir: filepath.Join(dir, "mounts"), Patience: time.Minute})
	for end := time.Now().Add(2 * time.Minute); client.Stats().Served == 0; time.Sleep(time.Millisecond) {
		lease, err := client.Lease(context.Background(), worker.AnyNode, time.Second)
		if err != nil || time.Now().After(end) {
			t.Fatal("no lease: ", err)
		}
		lease.Release()
	}
	var second bytes.Buffer
	if code := Main(args, os.Stdout, &second); code != exitMissing || !bytes.Contains(second.Bytes(), []byte(service.ErrServed.Error())) {
		t.Errorf("a second one exits with %d and says %q", code, second.String())
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitFine {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}
