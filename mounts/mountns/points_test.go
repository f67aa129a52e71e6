package mountns

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

// FuzzMountPoints wants any mount table read without a fault, and a place to come
// after those it lies below. The seeds are tables of real machines, and of machines
// with names that kernels escape.
func FuzzMountPoints(f *testing.F) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(table),
		"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw\n",
		"30 24 0:26 / /sys/fs/cgroup rw shared:4 master:5 propagate_from:2 unbindable - cgroup2 cgroup2 rw,nsdelegate\n",
		"31 22 0:30 /a\\040b /holder rw - tmpfs tmpfs\\134 rw\n", "31 22 0:30 / /x\\777 rw - cgroup\\9 a rw\n",
		"1 2 3:4 / / rw -\n", "1 2 3 / / rw - a b c\n", " - \n", "\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, table []byte) {
		infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(table), templates([]string{"/holder"}))
		if err != nil {
			return
		}
		points := pointsOf(infos)
		for i, point := range points {
			if slices.ContainsFunc(points[i+1:], func(p string) bool { return p == point || strings.HasPrefix(point, p+"/") }) {
				t.Fatalf("%q is twice, or before what it lies below: %q", point, points)
			}
		}
	})
}
