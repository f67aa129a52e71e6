// Package harness runs a private containerd and containers in it, for tests,
// measurements and the demo. Everything that it makes lives in one temporary
// directory (root, state, sockets, fifos, the runtime's state), one containerd
// namespace and one cgroup, so that nothing of the machine's own containerd is
// touched and everything can be found and taken away again.
//
// In a test:
//
//	func TestSomething(t *testing.T) {
//		h := harness.New(t, harness.Options{})          // fails without root; checks leaks at the end
//		c := h.Run(harness.Spec{Args: []string{"sh", "-c", "echo hello"}})
//		if code := h.Wait(c); code != 0 || c.Stdout.String() != "hello\n" {
//			t.Errorf("exit code %d, output %q", code, c.Stdout)
//		}
//		h.Delete(c)
//	}
//
//	func TestMain(m *testing.M) { harness.Main(m) }     // cleans up on Ctrl-C, too
//
// Which runtime: -runtime=tango (the default) or -runtime=runc on the test's
// command line, for [Harness.Run] and all that takes a [Spec] without Runtime.
//
//	go test ./integration -runtime runc -run TestExec
//	TANGO_TEST_RUNTIME=runc go test ./...
//
// Without a test, [Start] gives a [Node], whose methods return errors:
//
//	n, err := harness.Start(ctx, harness.Options{})
//	defer n.Close()
//	image, err := n.Image(ctx, images.Config{Layers: 50})
//	c, err := n.Create(ctx, harness.Spec{Image: image, UserNS: harness.NthUserNS(0)})
//	err = c.Start(ctx)
//	code, err := c.Wait(ctx)
//	err = c.Delete(ctx)
//
// Programs are taken from bin/ and bin/tools/ of the source tree, where
// `make build tools` puts them; TANGO_BIN names another directory (of the same
// shape). TANGO_TEST_LOG=debug makes containerd and the shims verbose;
// TANGO_TEST_KEEP=1 keeps the directory of a test that failed.
//
// Do not use it where a containerd of your own is wanted: it kills every
// process that descends from its containerd when it closes.
package harness
