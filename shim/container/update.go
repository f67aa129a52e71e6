package container

import (
	"encoding/json"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Update changes the container's resource limits. resources is a
// specs.LinuxResources in JSON; what it doesn't name stays, as with runc.
//
// It works on a libcontainer object of its own, because a config that skips
// devices, so that limits set by others (a GPU plugin) survive, must never start
// a process.
func (c *Container) Update(resources []byte) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	if err := c.init.ownState().allows(opUpdate); err != nil {
		return err
	}
	r := specs.LinuxResources{
		Memory:  &specs.LinuxMemory{CheckBeforeUpdate: new(bool)},
		CPU:     &specs.LinuxCPU{},
		BlockIO: &specs.LinuxBlockIO{},
		Pids:    &specs.LinuxPids{},
	}
	if err := json.Unmarshal(resources, &r); err != nil {
		return err
	}
	lc, err := libcontainer.Load(c.stateRoot(), c.ID)
	if err != nil {
		return err
	}
	config := lc.Config()
	apply(&r, config.Cgroups.Resources)
	config.Cgroups.SkipDevices = true
	return lc.Set(config)
}

// apply has runc's rules of what an update means.
func apply(r *specs.LinuxResources, to *cgroups.Resources) {
	if r.Memory != nil {
		applyMemory(r.Memory, to)
	}
	if r.CPU != nil {
		applyCPU(r.CPU, to)
	}
	if r.BlockIO != nil {
		applyBlockIO(r.BlockIO, to)
	}
	if r.Pids != nil {
		to.PidsLimit = r.Pids.Limit
	}
	to.Unified = r.Unified
}

func applyMemory(m *specs.LinuxMemory, to *cgroups.Resources) {
	if m.Limit != nil && *m.Limit == -1 && m.Swap == nil {
		m.Swap = new(int64) // a swap limit without a memory limit is an error
	}
	set(&to.Memory, m.Limit)
	set(&to.MemoryReservation, m.Reservation)
	set(&to.MemorySwap, m.Swap)
	set(&to.MemoryCheckBeforeUpdate, m.CheckBeforeUpdate)
}

func applyCPU(c *specs.LinuxCPU, to *cgroups.Resources) {
	if c.Idle != nil && c.Shares == nil {
		c.Shares = new(uint64) // an idle group takes no weight
	}
	applyQuota(c, to)
	to.CpuBurst = c.Burst
	if c.Shares != nil {
		to.CpuShares = *c.Shares
		to.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*c.Shares)
	}
	set(&to.CpuRtPeriod, c.RealtimePeriod)
	set(&to.CpuRtRuntime, c.RealtimeRuntime)
	to.CpusetCpus, to.CpusetMems, to.CPUIdle = c.Cpus, c.Mems, c.Idle
}

// applyQuota keeps the old value of the one that isn't given if the other is:
// cgroup v2 and systemd set both at once.
func applyQuota(c *specs.LinuxCPU, to *cgroups.Resources) {
	var period uint64
	var quota int64
	set(&period, c.Period)
	set(&quota, c.Quota)
	if period != 0 || quota == 0 {
		to.CpuPeriod = period
	}
	if quota != 0 || period == 0 {
		to.CpuQuota = quota
	}
}

func applyBlockIO(b *specs.LinuxBlockIO, to *cgroups.Resources) {
	set(&to.BlkioWeight, b.Weight)
	set(&to.BlkioLeafWeight, b.LeafWeight)
	for _, d := range b.WeightDevice {
		to.BlkioWeightDevice = upsertWeight(to.BlkioWeightDevice, d)
	}
	for _, t := range []struct {
		from []specs.LinuxThrottleDevice
		to   *[]*cgroups.ThrottleDevice
	}{
		{b.ThrottleReadBpsDevice, &to.BlkioThrottleReadBpsDevice},
		{b.ThrottleWriteBpsDevice, &to.BlkioThrottleWriteBpsDevice},
		{b.ThrottleReadIOPSDevice, &to.BlkioThrottleReadIOPSDevice},
		{b.ThrottleWriteIOPSDevice, &to.BlkioThrottleWriteIOPSDevice},
	} {
		for _, d := range t.from {
			*t.to = upsertThrottle(*t.to, d)
		}
	}
}

// upsertWeight changes the last entry for the device, which is the one that
// counts, or adds one.
func upsertWeight(list []*cgroups.WeightDevice, d specs.LinuxWeightDevice) []*cgroups.WeightDevice {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Major == d.Major && list[i].Minor == d.Minor {
			set(&list[i].Weight, d.Weight)
			set(&list[i].LeafWeight, d.LeafWeight)
			return list
		}
	}
	var weight, leaf uint16
	set(&weight, d.Weight)
	set(&leaf, d.LeafWeight)
	return append(list, cgroups.NewWeightDevice(d.Major, d.Minor, weight, leaf))
}

func upsertThrottle(list []*cgroups.ThrottleDevice, d specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Major == d.Major && list[i].Minor == d.Minor {
			list[i].Rate = d.Rate
			return list
		}
	}
	return append(list, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
}

// set assigns what is given.
func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}
