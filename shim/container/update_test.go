package container

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func pointer[T any](v T) *T { return &v }

// before is what a container was made with.
func before() cgroups.Resources {
	return cgroups.Resources{
		Memory: 100, MemorySwap: 200, MemoryReservation: 50, MemoryCheckBeforeUpdate: true,
		CpuShares: 512, CpuWeight: 20, CpuPeriod: 1000, CpuQuota: 500, CpuRtPeriod: 10, CpuRtRuntime: 5,
		CpusetCpus: "0-1", CpusetMems: "0", PidsLimit: pointer[int64](10), BlkioWeight: 100, BlkioLeafWeight: 90,
		BlkioWeightDevice:           []*cgroups.WeightDevice{cgroups.NewWeightDevice(8, 0, 10, 11)},
		BlkioThrottleReadBpsDevice:  []*cgroups.ThrottleDevice{cgroups.NewThrottleDevice(8, 0, 1), cgroups.NewThrottleDevice(8, 0, 2)},
		BlkioThrottleWriteBpsDevice: []*cgroups.ThrottleDevice{cgroups.NewThrottleDevice(8, 0, 3)},
	}
}

// The rules are runc's (update.go): most of what isn't named stays, but cpusets,
// pids and the unified settings go.
func TestApply(t *testing.T) {
	tests := []struct {
		name   string
		update specs.LinuxResources
		change func(*cgroups.Resources)
	}{
		{"nothing", specs.LinuxResources{}, func(*cgroups.Resources) {}},
		{"memory", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer[int64](7)}}, func(r *cgroups.Resources) { r.Memory = 7 }},
		{"all of memory", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer[int64](1), Swap: pointer[int64](2), Reservation: pointer[int64](3), CheckBeforeUpdate: pointer(false)}}, func(r *cgroups.Resources) {
			r.Memory, r.MemorySwap, r.MemoryReservation, r.MemoryCheckBeforeUpdate = 1, 2, 3, false
		}},
		{"no memory limit lifts the swap limit", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer[int64](-1)}}, func(r *cgroups.Resources) { r.Memory, r.MemorySwap = -1, 0 }},
		{"unless that is given", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer[int64](-1), Swap: pointer[int64](-1)}}, func(r *cgroups.Resources) { r.Memory, r.MemorySwap = -1, -1 }},
		{"quota keeps the period", specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: pointer[int64](7)}}, func(r *cgroups.Resources) { r.CpuQuota, r.CpusetCpus, r.CpusetMems = 7, "", "" }},
		{"period keeps the quota", specs.LinuxResources{CPU: &specs.LinuxCPU{Period: pointer[uint64](7)}}, func(r *cgroups.Resources) { r.CpuPeriod, r.CpusetCpus, r.CpusetMems = 7, "", "" }},
		{"quota and period", specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: pointer[int64](8), Period: pointer[uint64](7)}}, func(r *cgroups.Resources) {
			r.CpuQuota, r.CpuPeriod, r.CpusetCpus, r.CpusetMems = 8, 7, "", ""
		}},
		{"neither quota nor period", specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}, func(r *cgroups.Resources) {
			r.CpuQuota, r.CpuPeriod, r.CpusetCpus, r.CpusetMems = 0, 0, "0", ""
		}},
		{"shares", specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: pointer[uint64](1024), Quota: pointer[int64](500)}}, func(r *cgroups.Resources) {
			r.CpuShares, r.CpuWeight, r.CpusetCpus, r.CpusetMems = 1024, cgroups.ConvertCPUSharesToCgroupV2Value(1024), "", ""
		}},
		{"idle has no weight", specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: pointer[int64](1), Quota: pointer[int64](500)}}, func(r *cgroups.Resources) {
			r.CPUIdle, r.CpuShares, r.CpuWeight, r.CpusetCpus, r.CpusetMems = pointer[int64](1), 0, 0, "", ""
		}},
		{"realtime and burst", specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: pointer[uint64](1), RealtimeRuntime: pointer[int64](2), Burst: pointer[uint64](3), Quota: pointer[int64](500)}}, func(r *cgroups.Resources) {
			r.CpuRtPeriod, r.CpuRtRuntime, r.CpuBurst, r.CpusetCpus, r.CpusetMems = 1, 2, pointer[uint64](3), "", ""
		}},
		{"pids", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: pointer[int64](5)}}, func(r *cgroups.Resources) { r.PidsLimit = pointer[int64](5) }},
		{"pids without a limit", specs.LinuxResources{Pids: &specs.LinuxPids{}}, func(r *cgroups.Resources) { r.PidsLimit = nil }},
		{"unified", specs.LinuxResources{Unified: map[string]string{"memory.high": "9"}}, func(r *cgroups.Resources) { r.Unified = map[string]string{"memory.high": "9"} }},
		{"weights", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: pointer[uint16](1), LeafWeight: pointer[uint16](2)}}, func(r *cgroups.Resources) { r.BlkioWeight, r.BlkioLeafWeight = 1, 2 }},
		{"weight of a known device", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{weightOf(8, 0, pointer[uint16](5), nil)}}}, func(r *cgroups.Resources) {
			r.BlkioWeightDevice = []*cgroups.WeightDevice{cgroups.NewWeightDevice(8, 0, 5, 11)}
		}},
		{"weight of a new device", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{weightOf(8, 1, nil, pointer[uint16](5))}}}, func(r *cgroups.Resources) {
			r.BlkioWeightDevice = append(r.BlkioWeightDevice, cgroups.NewWeightDevice(8, 1, 0, 5))
		}},
		{"the last rate of a device counts", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{rateOf(8, 0, 9)}}}, func(r *cgroups.Resources) {
			r.BlkioThrottleReadBpsDevice[1] = cgroups.NewThrottleDevice(8, 0, 9)
		}},
		{"all rates", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
			ThrottleWriteBpsDevice:  []specs.LinuxThrottleDevice{rateOf(8, 0, 4)},
			ThrottleReadIOPSDevice:  []specs.LinuxThrottleDevice{rateOf(9, 0, 5)},
			ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{rateOf(9, 0, 6)},
		}}, func(r *cgroups.Resources) {
			r.BlkioThrottleWriteBpsDevice = []*cgroups.ThrottleDevice{cgroups.NewThrottleDevice(8, 0, 4)}
			r.BlkioThrottleReadIOPSDevice = []*cgroups.ThrottleDevice{cgroups.NewThrottleDevice(9, 0, 5)}
			r.BlkioThrottleWriteIOPSDevice = []*cgroups.ThrottleDevice{cgroups.NewThrottleDevice(9, 0, 6)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := before(), before()
			apply(&tt.update, &got)
			tt.change(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %s\nwant %s", show(got), show(want))
			}
		})
	}
}

func show(r cgroups.Resources) string {
	data, _ := json.Marshal(r)
	return string(data)
}

func rateOf(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return d
}

func weightOf(major, minor int64, weight, leaf *uint16) specs.LinuxWeightDevice {
	d := specs.LinuxWeightDevice{Weight: weight, LeafWeight: leaf}
	d.Major, d.Minor = major, minor
	return d
}
