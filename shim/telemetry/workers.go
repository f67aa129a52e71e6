package telemetry

import "tango/mounts/worker"

// OfWorkers tells what mount workers say of themselves: batches, turns that were
// handed over, and waits.
func OfWorkers(stats func() worker.Stats) Source {
	return func() map[string]float64 {
		s := stats()
		v := map[string]float64{"leases_total": float64(s.Leases), "leases_expired_total": float64(s.Expired)}
		for _, w := range s.Nodes {
			v["worker_queued"] += float64(w.Queued)
			v["worker_batches_total"] += float64(w.Batches)
			v["worker_jobs_total"] += float64(w.Built + w.Attached + w.Detached)
			v["worker_jobs_dropped_total"] += float64(w.Dropped)
			v["worker_wait_seconds_total"] += w.Waited.Seconds()
			v["worker_longest_wait_seconds"] = max(v["worker_longest_wait_seconds"], w.Longest.Seconds())
		}
		addTurn(v, s.Turn)
		return v
	}
}

func addTurn(v map[string]float64, t worker.TurnStats) {
	v["turns_total"] = float64(t.Taken)
	v["turn_handovers_total"] = float64(t.Handed)
	v["turn_waits_total"] = float64(t.Waits)
	v["turn_wait_seconds_total"] = t.Waited.Seconds()
	v["turn_longest_wait_seconds"] = t.Longest.Seconds()
	v["turn_waiting"] = float64(t.Waiting)
	v["turn_holders"] = float64(t.Holders)
}
