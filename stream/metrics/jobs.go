package metrics

import (
	"log/slog"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time in seconds since 1970, to the microsecond.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// at emits a time that is known.
func at(t time.Time, emit emit) {
	if !t.IsZero() {
		emit(unix(t))
	}
}

func steps(t driver.CommitTimes, emit emit) {
	emit(t.Staging.Seconds(), "staging")
	emit(t.Appending.Seconds(), "appending")
	emit(t.Publishing.Seconds(), "publishing")
}

func jobGauge(name, unit, help string, read func(*reading, emit), labels ...string) *family[*reading] {
	return gauge(name, unit, help, read, append([]string{"job"}, labels...)...)
}

func jobCounter(name, unit, help string, read func(*reading, emit), labels ...string) *family[*reading] {
	return counter(name, unit, help, read, append([]string{"job"}, labels...)...)
}

func fileSums(r *reading, emit emit, of func(driver.FileSum) int64) {
	for k, sum := range r.Files {
		emit(float64(of(sum)), label(k.Flow), k.Kind)
	}
}

func merge(r *reading, emit emit, of func(*driver.Merge) float64) {
	if r.Merge != nil {
		emit(of(r.Merge))
	}
}

// perPartition emits a value of each partition that is far behind.
func perPartition(r *reading, emit emit, of func(*Partition) (float64, bool)) {
	seen := map[string]bool{}
	for i := range r.behindBy {
		name := label(r.behindBy[i].Partition.String())
		if v, known := of(&r.behindBy[i]); known && !seen[name] { // long names may be alike once they are cut
			seen[name] = true
			emit(v, name)
		}
	}
}

// jobFamilies are the metrics of a job.
var jobFamilies = []*family[*reading]{
	jobGauge("status_timestamp_seconds", "s", "When the engine last told its status, by the machine's clock.", func(r *reading, e emit) { at(r.at, e) }),
	jobGauge("ended", "1", "1 if Run has returned, by whether with an error.", func(r *reading, e emit) {
		e(one(r.ended && r.failed), "true")
		e(one(r.ended && !r.failed), "false")
	}, "error"),
	jobGauge("ready", "1", "1 if lanes are assigned and acquired, and their pending records are back.", func(r *reading, e emit) { e(one(r.Ready)) }),
	jobGauge("shutting_down", "1", "1 if the process ends.", func(r *reading, e emit) { e(one(r.ShuttingDown)) }),
	jobGauge("stalled", "1", "1 if work makes no progress.", func(r *reading, e emit) { e(one(r.Stalled != nil)) }),
	jobGauge("unclosed", "1", "1 if hours do not close until a person does something.", func(r *reading, e emit) { e(one(r.Unclosed != nil)) }),
	jobGauge("fruitless", "1", "1 if none of the records of several commits has got a row in its hour.", func(r *reading, e emit) { e(one(r.Fruitless != nil)) }),
	jobGauge("housekeeping_failing", "1", "1 if leftovers cannot be deleted at present.", func(r *reading, e emit) { e(one(r.Housekeeping != nil)) }),
	jobCounter("log_lines_total", "{line}", "Warnings and errors in the log, of a logger from Job.Logger.", func(r *reading, e emit) {
		e(float64(r.warned[0]), strings.ToLower(slog.LevelWarn.String()))
		e(float64(r.warned[1]), strings.ToLower(slog.LevelError.String()))
	}, "level"),

	jobGauge("lanes", "{lane}", "Lanes that this process has.", func(r *reading, e emit) { e(float64(r.Lanes)) }),
	jobCounter("read_records_total", "{record}", "Records that the source has delivered for the first time.", func(r *reading, e emit) { e(float64(r.Read)) }),
	jobGauge("read_records_per_second", "{record}/s", "Records that were read, over the last 10 seconds.", func(r *reading, e emit) { e(r.Rate) }),
	jobGauge("uncommitted_records", "{record}", "Records that were delivered and are not committed.", func(r *reading, e emit) { e(float64(r.Uncommitted)) }),
	jobGauge("pending_records", "{record}", "Records in this process that stages hold.", func(r *reading, e emit) { e(float64(r.Pending)) }),
	jobGauge("oldest_pending_timestamp_seconds", "s", "Event time of the oldest record that a restart would read again.", func(r *reading, e emit) { at(r.OldestPending, e) }),
	jobGauge("lag_records", "{record}", "Records between what is committed and the ends of the logs.", func(r *reading, e emit) {
		if r.Lag.Records >= 0 {
			e(float64(r.Lag.Records))
		}
	}),
	jobGauge("retention_left_seconds", "s", "Until the log drops the oldest record that a restart would read.", func(r *reading, e emit) {
		if r.Lag.Retention != 0 {
			e(r.Lag.Retention.Seconds())
		}
	}),
	jobGauge("delay_seconds", "s", "How far the output's clock is ahead of the event time that is committed.", func(r *reading, e emit) {
		if r.Delay >= 0 {
			e(r.Delay.Seconds())
		}
	}),
	jobGauge("memory_bytes", "By", "Bytes in flight, pending and buffered.", func(r *reading, e emit) { e(float64(r.Bytes)) }),
	jobGauge("memory_limit_bytes", "By", "stream.Options.Memory, which bounds them.", func(r *reading, e emit) { e(float64(r.Memory)) }),
	jobGauge("jumps", "{partition}", "Partitions whose clocks wait for records that confirm a jump of event time.", func(r *reading, e emit) { e(float64(r.Jumps)) }),
	jobCounter("odd_times_total", "{record}", "Times of records that no ledger can hold, and that were taken for none.", func(r *reading, e emit) { e(float64(r.OddTimes)) }),

	jobCounter("records_total", "{record}", "Committed records, by what became of them.", func(r *reading, e emit) {
		for f, n := range r.Counts {
			e(float64(n), record.Fate(f).String())
		}
	}, "fate"),
	jobCounter("reasons_total", "{record}", "Committed records without a row, by why.", func(r *reading, e emit) {
		for why, n := range r.Reasons {
			e(float64(n), why.Fate.String(), label(why.Why))
		}
	}, "fate", "reason"),
	jobCounter("late_rows_total", "{row}", "Rows that came too late for their hour, by flow, with those that were dropped for it.", func(r *reading, e emit) {
		for flow, n := range r.LateRows {
			e(float64(n), label(flow))
		}
	}, "flow"),
	jobCounter("files_total", "{file}", "Committed files, by flow and kind: data, late, dead, pack or note.", func(r *reading, e emit) {
		fileSums(r, e, func(s driver.FileSum) int64 { return s.Files })
	}, "flow", "kind"),
	jobCounter("rows_total", "{row}", "Rows in committed files.", func(r *reading, e emit) {
		fileSums(r, e, func(s driver.FileSum) int64 { return s.Rows })
	}, "flow", "kind"),
	jobCounter("file_bytes_total", "By", "Bytes of committed files, as they lie in the store.", func(r *reading, e emit) {
		fileSums(r, e, func(s driver.FileSum) int64 { return s.Bytes })
	}, "flow", "kind"),

	jobCounter("commits_total", "{commit}", "Commits of this process.", func(r *reading, e emit) { e(float64(r.Commits)) }),
	jobCounter("fences_total", "{fence}", "Times that another process has taken a lane over and made work void.", func(r *reading, e emit) { e(float64(r.Fenced)) }),
	jobGauge("last_commit_timestamp_seconds", "s", "When the last commit was done, by the machine's clock.", func(r *reading, e emit) { at(r.LastCommit, e) }),
	jobCounter("commit_seconds_total", "s", "Time that commits took, by step: staging, appending, publishing.", func(r *reading, e emit) { steps(r.Took, e) }, "step"),
	jobGauge("last_commit_seconds", "s", "Time that the last commit took, by step.", func(r *reading, e emit) {
		if r.Commit != nil {
			steps(r.Commit.CommitTimes, e)
		}
	}, "step"),
	jobGauge("ledger_entry", "{entry}", "The last entry of the ledger that this process knows of.", func(r *reading, e emit) { e(float64(r.Entry)) }),
	jobCounter("ledger_outrun_total", "{entry}", "Times that another process was faster to take a place in the ledger.", func(r *reading, e emit) { e(float64(r.Outrun)) }),
	jobGauge("unpublished_commits", "{commit}", "Commits of the job whose files are not known to be in place.", func(r *reading, e emit) { e(float64(r.Unpublished)) }),

	jobGauge("earliest_hour_timestamp_seconds", "s", "Start of the first hour that is not closed.", func(r *reading, e emit) { at(r.EarliestHour, e) }),
	jobGauge("closed_until_timestamp_seconds", "s", "End of the last hour that is closed.", func(r *reading, e emit) { at(r.Closed, e) }),
	jobGauge("sealed_until_timestamp_seconds", "s", "End of the last hour whose seals are known to exist.", func(r *reading, e emit) { at(r.Sealed, e) }),
	jobGauge("merge_units", "{unit}", "Pieces of work of the hour that is being merged.", func(r *reading, e emit) {
		merge(r, e, func(m *driver.Merge) float64 { return float64(m.Units) })
	}),
	jobGauge("merge_units_done", "{unit}", "Those of them whose files are in place.", func(r *reading, e emit) {
		merge(r, e, func(m *driver.Merge) float64 { return float64(m.Done) })
	}),
	jobGauge("merge_packs", "{pack}", "Packs of the hour that is being merged.", func(r *reading, e emit) {
		merge(r, e, func(m *driver.Merge) float64 { return float64(m.Packs) })
	}),
	jobGauge("merge_bytes", "By", "Bytes of these packs.", func(r *reading, e emit) {
		merge(r, e, func(m *driver.Merge) float64 { return float64(m.Bytes) })
	}),

	jobGauge("partitions", "{partition}", "Partitions of the whole job: open, of unknown event time, ended, retired.", func(r *reading, e emit) {
		if r.state != nil {
			e(float64(r.sums.Open), "open")
			e(float64(r.sums.Unknown), "unknown")
			e(float64(r.sums.Ended), "ended")
			e(float64(r.sums.Retired), "retired")
		}
	}, "state"),
	jobGauge("open_hour_folders", "{hour}", "Hours of the whole job that have rows and are not closed.", func(r *reading, e emit) {
		if r.state != nil {
			e(float64(len(r.state.OpenHours)))
		}
	}),
	jobGauge("committed_pending_records", "{record}", "Records of the whole job that a restart would read again.", func(r *reading, e emit) {
		if r.state != nil {
			e(float64(r.sums.Pending))
		}
	}),
	jobGauge("partition_watermark_timestamp_seconds", "s", "Up to where a partition that is far behind is complete.", func(r *reading, e emit) {
		perPartition(r, e, func(p *Partition) (float64, bool) {
			return unix(p.State.Progress.Watermark), !p.State.Progress.Watermark.IsZero()
		})
	}, "partition"),
	jobGauge("partition_delay_seconds", "s", "How far the machine's clock is ahead of the committed event time of a partition that is far behind.", func(r *reading, e emit) {
		perPartition(r, e, func(p *Partition) (float64, bool) {
			return r.now.Sub(p.State.Progress.MaxEventTime).Seconds(), !p.State.Progress.MaxEventTime.IsZero()
		})
	}, "partition"),
	jobGauge("partition_pending_records", "{record}", "Records of a partition that is far behind that a restart would read again.", func(r *reading, e emit) {
		perPartition(r, e, func(p *Partition) (float64, bool) { return float64(p.State.Pending), true })
	}, "partition"),
}
