package metrics

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteText writes all values in the text format of Prometheus, for a handler of your own without a client library.
func (s *Set) WriteText(w io.Writer) error {
	values := map[*Metric]*strings.Builder{}
	s.Collect(func(m *Metric, v float64, labels ...string) {
		b := values[m]
		if b == nil {
			b = &strings.Builder{}
			values[m] = b
		}
		b.WriteString(m.Name)
		for i, l := range labels {
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(m.Labels[i])
			b.WriteString(`="`)
			_, _ = quote.WriteString(b, l)
			b.WriteByte('"')
		}
		if len(labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteByte(' ')
		b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
		b.WriteByte('\n')
	})
	for _, m := range All() {
		if b := values[m]; b != nil {
			if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s", m.Name, m.Help, m.Name, m.Kind, b); err != nil {
				return err
			}
		}
	}
	return nil
}

var quote = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
