package prometheus

import (
	client "github.com/prometheus/client_golang/prometheus"

	"github.com/onceflow/onceflow/stream/metrics"
)

// Collector is a prometheus.Collector of a metrics.Set. It is safe for concurrent use. Register one for each Set.
type Collector struct {
	set   *metrics.Set
	descs map[*metrics.Metric]*client.Desc
}

var _ client.Collector = (*Collector)(nil)

// New makes the Collector of a set. What is added to the set later is collected, too.
func New(set *metrics.Set) *Collector {
	c := &Collector{set: set, descs: map[*metrics.Metric]*client.Desc{}}
	for _, m := range metrics.All() {
		c.descs[m] = client.NewDesc(m.Name, m.Help, m.Labels, nil)
	}
	return c
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(to chan<- *client.Desc) {
	for _, m := range metrics.All() {
		to <- c.descs[m]
	}
}

// Collect sends all values there are.
func (c *Collector) Collect(to chan<- client.Metric) {
	c.set.Collect(func(m *metrics.Metric, v float64, labels ...string) {
		kind := client.GaugeValue
		if m.Kind == metrics.Counter {
			kind = client.CounterValue
		}
		got, err := client.NewConstMetric(c.descs[m], kind, v, labels...)
		if err != nil {
			got = client.NewInvalidMetric(c.descs[m], err)
		}
		to <- got
	})
}
