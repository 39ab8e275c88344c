package metrics

import (
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/delivery"
)

// deliveryFamilies are the metrics of a delivery.
var deliveryFamilies = []*family[*delivery.Status]{
	counter("delivery_units_total", "{unit}", "Units that were loaded.", func(s *delivery.Status, e emit) { e(float64(s.Units)) }, "delivery"),
	counter("delivery_rows_total", "{row}", "Rows that were loaded.", func(s *delivery.Status, e emit) { e(float64(s.Rows)) }, "delivery"),
	counter("delivery_bytes_total", "By", "Bytes of files that were loaded, compressed.", func(s *delivery.Status, e emit) { e(float64(s.Bytes)) }, "delivery"),
	counter("delivery_rejected_rows_total", "{row}", "Rows that the target has put aside.", func(s *delivery.Status, e emit) { e(float64(s.Rejected)) }, "delivery"),
	gauge("delivery_rows_per_second", "{row}/s", "Rows that were loaded, over the last 10 seconds.", func(s *delivery.Status, e emit) { e(s.Rate) }, "delivery"),
	gauge("delivery_loading_units", "{unit}", "Units that were read and are not settled.", func(s *delivery.Status, e emit) { e(float64(s.Loading)) }, "delivery"),
	gauge("delivery_parked_units", "{unit}", "Units that the target refuses and that wait for TakeUp.", func(s *delivery.Status, e emit) { e(float64(len(s.Parked))) }, "delivery"),
	gauge("delivery_lag_entries", "{entry}", "Entries of the ledger that are not delivered.", func(s *delivery.Status, e emit) {
		if s.Lag.Entries >= 0 {
			e(float64(s.Lag.Entries))
		}
	}, "delivery"),
	gauge("delivery_lag_seconds", "s", "For how long the oldest unit has waited that is not loaded.", func(s *delivery.Status, e emit) { e(s.Lag.Time.Seconds()) }, "delivery"),
	gauge("delivery_condition", "1", "1 for the condition that the delivery is in: working, failing, refused, blocked.", func(s *delivery.Status, e emit) {
		e(one(s.Condition == delivery.Works), "working")
		for _, c := range []delivery.Condition{delivery.Fails, delivery.Refused, delivery.Blocked} {
			e(one(s.Condition == c), string(c))
		}
	}, "delivery", "condition"),
	gauge("delivery_condition_timestamp_seconds", "s", "When that condition began.", func(s *delivery.Status, e emit) { at(s.Since, e) }, "delivery"),
}

func auditGauge(name, unit, help string, read func(*audit.Report, emit), labels ...string) *family[*audit.Report] {
	return gauge("audit_"+name, unit, help, read, append([]string{"job"}, labels...)...)
}

// auditFamilies are the metrics of an audit. All are of its window, so they may fall.
var auditFamilies = []*family[*audit.Report]{
	auditGauge("batches", "{batch}", "Batches of the window that have the word.", func(r *audit.Report, e emit) {
		for _, w := range audit.Words() { // also those of none: an alarm on a series that is not there never fires
			e(float64(r.Sum.Words[w]), string(w))
		}
	}, "word"),
	auditGauge("lines", "{line}", "Lines that are registered.", func(r *audit.Report, e emit) { e(float64(r.Sum.Lines)) }),
	auditGauge("lines_came", "{line}", "Lines that the job has read.", func(r *audit.Report, e emit) { e(float64(r.Sum.Came)) }),
	auditGauge("lines_dead", "{line}", "Lines that are dead letters.", func(r *audit.Report, e emit) { e(float64(r.Sum.Dead)) }),
	auditGauge("lines_missing", "{line}", "Lines that are missing of batches whose deadline has passed.", func(r *audit.Report, e emit) { e(float64(r.Sum.Missing)) }),
	auditGauge("away", "{part}", "Parts of the window that cannot be read, by what is away.", func(r *audit.Report, e emit) {
		for _, place := range []audit.Place{audit.InRegistry, audit.InBatches, audit.InNotes} {
			n := 0
			for i := range r.Away {
				if r.Away[i].What == place {
					n++
				}
			}
			e(float64(n), string(place))
		}
	}, "what"),
	auditGauge("left_seconds", "s", "Until the first of what is missing can not be sent again any more; without a sample if nothing is missing.", func(r *audit.Report, e emit) {
		if !r.Sum.Earliest.IsZero() {
			e(max(0, r.Sum.Earliest.Sub(r.At).Seconds()))
		}
	}),
	auditGauge("reached_timestamp_seconds", "s", "Up to when all that came into the source was read.", func(r *audit.Report, e emit) { at(r.Reached, e) }),
	auditGauge("resent_batches", "{batch}", "Batches sent again in the last round.", func(r *audit.Report, e emit) { e(float64(r.Resent.Batches)) }),
	auditGauge("resent_lines", "{line}", "Lines sent again in the last round.", func(r *audit.Report, e emit) { e(float64(r.Resent.Lines)) }),
	auditGauge("resent_late", "{batch}", "Batches sent again in the last round though hours of their events are closed.", func(r *audit.Report, e emit) { e(float64(r.Resent.Late)) }),
	auditGauge("resent_failed", "{batch}", "Batches that could not be sent again in the last round.", func(r *audit.Report, e emit) { e(float64(r.Resent.Failed)) }),
}

// scalerFamilies are the metrics of a scaler.
var scalerFamilies = []*family[*decisions]{
	counter("scaler_decisions_total", "{decision}", "Steps of the scaler, by what they did.", func(d *decisions, e emit) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, a := range []scaler.Action{scaler.Kept, scaler.Changed, scaler.DryRun, scaler.Standby, scaler.Refused, scaler.Failed} {
			e(float64(d.actions[a]), string(a))
		}
	}, "job", "action"),
	gauge("scaler_copies", "{copy}", "Copies of the job, as the last step saw them.", func(d *decisions, e emit) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.last.At.IsZero() {
			e(float64(d.last.From.Copies))
		}
	}, "job"),
	gauge("scaler_wanted_copies", "{copy}", "Copies that the last step wanted.", func(d *decisions, e emit) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.last.At.IsZero() {
			e(float64(d.last.To.Copies))
		}
	}, "job"),
	gauge("scaler_decision_timestamp_seconds", "s", "When the last step was.", func(d *decisions, e emit) {
		d.mu.Lock()
		defer d.mu.Unlock()
		at(d.last.At, e)
	}, "job"),
}
