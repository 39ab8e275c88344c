package file

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestConformance(t *testing.T) {
	plain := func(s string) string { return s }
	zstd := func(s string) string { return zst(s) }
	for _, c := range []struct {
		name   string
		pack   func(string) string
		format Format
		o      Options
	}{
		{"plain", plain, nil, Options{}},
		{"followed", plain, nil, Options{Follow: true, Poll: time.Millisecond}},
		{"one by one", plain, nil, Options{MaxOpen: 1}},
		{"gzip", gz, nil, Options{}},
		{"zstd", zstd, nil, Options{Unchecked: true}},
		{"csv", plain, CSV{}, Options{}},
		{"one lane", plain, nil, Options{Lane: func(string) string { return "all" }}},
		{"one lane in order", gz, nil, Options{Lane: func(string) string { return "all" }, InOrder: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 3 {
				var b strings.Builder
				for n := range 30 {
					fmt.Fprintf(&b, "%d,\"line %d\",%s\n\n", i, n, strings.Repeat("x", n))
				}
				put(t, filepath.Join(dir, fmt.Sprint(i)), c.pack(b.String()))
			}
			streamtest.RunSource(t, func(t *testing.T) driver.Source {
				s, err := Open(Config{Dir: dir, Format: c.format}, &c.o)
				if err != nil {
					t.Fatal(err)
				}
				s.chunks.bytes, s.chunks.poison = 64, true
				return s
			})
		})
	}
}
