package operator

import (
	"fmt"
	"strings"
)

// text is the report for people.
func (r *Report) text() string {
	p := &page{}
	r.Kernel.write(p)
	r.Ways.write(p)
	r.Machine.write(p)
	r.Cgroups.write(p)
	r.Containerd.write(p)
	r.writeFindings(p)
	return p.String()
}

func (k Kernel) write(p *page) {
	p.heading("Kernel " + k.Release)
	for _, a := range k.Abilities {
		answer := string(a.Answer)
		if a.Answer == Unknown {
			answer = "?"
		}
		p.wrap(fmt.Sprintf("  %-5s%-6s", answer, a.Since), strings.Repeat(" ", 13), a.Name+": "+a.Meaning)
	}
	p.wrap("  ", "  ", "The number is the mainline release that brought it; each was tried, not guessed from the version.")
}

func (w Ways) write(p *page) {
	p.heading("Root filesystems")
	p.item("no user ns", way(w.Plain))
	p.item("user ns", way(w.UserNamespace))
}

func way(name string) string { return name + ": " + wayMeaning(name) }

func (m Machine) write(p *page) {
	p.heading("Machine")
	p.item("CPUs", m.cpus())
	for _, n := range m.Nodes {
		p.item(fmt.Sprintf("NUMA node %d", n.ID), n.text())
	}
	for _, s := range m.Sockets {
		p.item(socketLabel(s), "CPUs "+s.CPUs)
	}
	p.item("L3 caches", m.caches())
	p.item("allowed", fmt.Sprintf("CPUs %s, memory of nodes %s (the cgroup of this command)", m.AllowedCPUs, join(m.AllowedNodes)))
	for i, note := range m.Contention.Notes {
		label := ""
		if i == 0 {
			label = "contention"
		}
		p.item(label, note)
	}
}

func socketLabel(s Socket) string {
	if s.ID < 0 {
		return "socket ?"
	}
	return fmt.Sprintf("socket %d", s.ID)
}

// cpus sums up the CPUs.
func (m Machine) cpus() string {
	text := fmt.Sprintf("%s online, %s, %s", m.Online, count(len(m.Sockets), "socket"), count(m.Cores, "core"))
	if m.Threads > 1 {
		text += fmt.Sprintf(", %d threads a core", m.Threads)
	} else {
		text += ", no SMT"
	}
	if m.Offline != "" {
		text += "; offline " + m.Offline
	}
	return text
}

func (n Node) text() string {
	parts := []string{"no CPUs", "no memory"}
	if n.CPUs != "" {
		parts[0] = "CPUs " + n.CPUs
	}
	if n.Memory > 0 {
		parts[1] = bytesText(n.Memory)
	}
	if len(n.Distances) > 1 {
		parts = append(parts, "distances "+join(n.Distances))
	}
	return strings.Join(parts, ", ")
}

// caches sums up the level 3 caches.
func (m Machine) caches() string {
	if len(m.L3) == 0 {
		return "not told"
	}
	var groups []string
	for _, c := range m.L3 {
		groups = append(groups, c.CPUs)
	}
	text := fmt.Sprint(len(m.L3))
	if size := m.L3[0].Size; size > 0 {
		text += " of " + bytesText(size)
	}
	return text + ", shared by CPUs " + strings.Join(groups, " | ")
}

// bytesText is a size in the unit that fits.
func bytesText(n uint64) string {
	unit, name := float64(1<<20), " MiB"
	if n >= 1<<30 {
		unit, name = 1<<30, " GiB"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/unit), ".0") + name
}

// count is a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func join[T any](list []T) string {
	return strings.Trim(fmt.Sprint(list), "[]")
}
