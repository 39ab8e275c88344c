package metrics

// Metric describes a metric.
type Metric struct {
	Name   string // as Prometheus wants it, with the unit in it
	Kind   Kind
	Unit   string // as UCUM writes it: "s", "By", "{record}"; "1" is none
	Labels []string
	Help   string // a sentence
}

// Kind says how values of a metric follow each other.
type Kind string

const (
	Counter Kind = "counter" // only grows, until the process ends
	Gauge   Kind = "gauge"
)

// emit gets a value of a metric, with a value for each of its Labels.
type emit func(value float64, labels ...string)

// family is a metric of things of one kind, and how it is read from one of them.
type family[S any] struct {
	Metric
	read func(s S, emit emit)
}

func counter[S any](name, unit, help string, read func(S, emit), labels ...string) *family[S] {
	return &family[S]{Metric{"onceflow_" + name, Counter, unit, labels, help}, read}
}

func gauge[S any](name, unit, help string, read func(S, emit), labels ...string) *family[S] {
	return &family[S]{Metric{"onceflow_" + name, Gauge, unit, labels, help}, read}
}

// collect emits what families tell of s. base are the values of the labels that all of them begin with.
func collect[S any](families []*family[S], s S, to func(m *Metric, value float64, labels ...string), base ...string) {
	labels := make([]string, 0, 8)
	for _, f := range families {
		f.read(s, func(v float64, more ...string) {
			labels = append(append(labels[:0], base...), more...)
			to(&f.Metric, v, labels...)
		})
	}
}

// All returns the description of every metric, in the order of docs/metrics.md. Do not change them.
func All() []*Metric {
	var all []*Metric
	all = describe(all, jobFamilies)
	all = describe(all, storeFamilies)
	all = describe(all, dedupFamilies)
	all = describe(all, workersFamilies)
	all = describe(all, deliveryFamilies)
	all = describe(all, auditFamilies)
	return describe(all, scalerFamilies)
}

func describe[S any](all []*Metric, families []*family[S]) []*Metric {
	for _, f := range families {
		all = append(all, &f.Metric)
	}
	return all
}
