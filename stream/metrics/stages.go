package metrics

import (
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream/workers"
)

// dedupFamilies are the metrics of a stage that removes duplicates.
var dedupFamilies = []*family[*dedup.Stats]{
	counter("dedup_claims_total", "{record}", "Records that asked for their ID.", func(s *dedup.Stats, e emit) { e(float64(s.Claims.Load())) }, "job", "stage"),
	counter("dedup_hits_total", "{record}", "Of those, records whose ID another one held: duplicates.", func(s *dedup.Stats, e emit) { e(float64(s.Hits.Load())) }, "job", "stage"),
	counter("dedup_forced_total", "{record}", "Of those, records that had won before they were read again.", func(s *dedup.Stats, e emit) { e(float64(s.Forced.Load())) }, "job", "stage"),
	counter("dedup_without_id_total", "{record}", "Records without an ID, which passed.", func(s *dedup.Stats, e emit) { e(float64(s.Empty.Load())) }, "job", "stage"),
	counter("dedup_refilled_total", "{record}", "Records that filled a local store again.", func(s *dedup.Stats, e emit) { e(float64(s.Refilled.Load())) }, "job", "stage"),
	counter("dedup_retries_total", "{call}", "Calls to a shared store that were made again.", func(s *dedup.Stats, e emit) { e(float64(s.Retries.Load())) }, "job", "stage"),
	gauge("dedup_failing", "1", "1 while calls to a shared store fail and are made again.", func(s *dedup.Stats, e emit) { e(one(s.Failing() != nil)) }, "job", "stage"),
}

func workersGauge(name, unit, help string, read func(*workers.Status, emit), labels ...string) *family[*workers.Status] {
	return gauge("workers_"+name, unit, help, read, append([]string{"job", "stage"}, labels...)...)
}

func workersCounter(name, unit, help string, read func(*workers.Status, emit), labels ...string) *family[*workers.Status] {
	return counter("workers_"+name, unit, help, read, append([]string{"job", "stage"}, labels...)...)
}

// workersFamilies are the metrics of a stage whose tasks work in parallel.
var workersFamilies = []*family[*workers.Status]{
	workersGauge("subpartitions", "{subpartition}", "Sub-partitions with unfinished records, by state: working, refusing, paused.", func(s *workers.Status, e emit) {
		var refusing, paused float64
		for i := range s.Subpartitions {
			switch x := &s.Subpartitions[i]; {
			case x.Paused:
				paused++
			case x.Refused > 0:
				refusing++
			}
		}
		e(float64(len(s.Subpartitions))-refusing-paused, "working")
		e(refusing, "refusing")
		e(paused, "paused")
	}, "state"),
	workersGauge("records", "{record}", "Records that wait or were started, by state.", func(s *workers.Status, e emit) {
		var waiting, started float64
		for i := range s.Subpartitions {
			started += float64(s.Subpartitions[i].Started)
			waiting += float64(s.Subpartitions[i].Depth - s.Subpartitions[i].Started)
		}
		e(waiting, "waiting")
		e(started, "started")
	}, "state"),
	workersGauge("bytes", "By", "Bytes of these records.", func(s *workers.Status, e emit) {
		var n int64
		for i := range s.Subpartitions {
			n += s.Subpartitions[i].Bytes
		}
		e(float64(n))
	}),
	workersGauge("oldest_seconds", "s", "Since the oldest of these records came.", func(s *workers.Status, e emit) {
		var oldest time.Duration
		for i := range s.Subpartitions {
			oldest = max(oldest, s.Subpartitions[i].Oldest)
		}
		e(oldest.Seconds())
	}),
	workersCounter("failures_total", "{attempt}", "Attempts that failed, for whatever reason.", func(s *workers.Status, e emit) { e(float64(s.Failures)) }),
	workersCounter("timeouts_total", "{attempt}", "Of them, those that were not answered in time.", func(s *workers.Status, e emit) { e(float64(s.Timeouts)) }),
	workersCounter("panics_total", "{attempt}", "Panics of tasks.", func(s *workers.Status, e emit) { e(float64(s.Panics)) }),
	workersCounter("abandoned_total", "{call}", "Calls that did not return and were left to themselves.", func(s *workers.Status, e emit) { e(float64(s.Abandoned)) }),
	workersGauge("hanging", "{call}", "Of them, those that have not returned yet.", func(s *workers.Status, e emit) { e(float64(s.Hanging)) }),
	workersCounter("ignored_answers_total", "{answer}", "Answers to an attempt that had one (again), whose time had passed (late), or whose task was closed (closed).", func(s *workers.Status, e emit) {
		e(float64(s.AnsweredAgain), "again")
		e(float64(s.AnsweredLate), "late")
		e(float64(s.AnsweredAfterClose), "closed")
	}, "why"),
	workersCounter("out_of_range_total", "{record}", "Records for which the partitioner gave an index out of range.", func(s *workers.Status, e emit) { e(float64(s.OutOfRange)) }),
	workersCounter("moved_total", "{record}", "Records that were read again and came to another sub-partition than before.", func(s *workers.Status, e emit) { e(float64(s.Moved)) }),
}
