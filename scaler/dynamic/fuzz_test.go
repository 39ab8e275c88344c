package dynamic

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// Whatever is measured, a policy wants at least one copy, no more than can be told, and survives a restart.
func FuzzDynamicWantsASizeThatCanBe(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30}, uint8(4), true)
	f.Fuzz(func(t *testing.T, data []byte, copies uint8, even bool) {
		d := dynamic(t, &Options{Even: even, Window: time.Minute, Stable: 2 * time.Minute})
		in := scaler.Input{Now: time.Unix(1e9, 0), Current: size(1 + int(copies))}
		next := func() (x float64) {
			if len(data) < 4 {
				data = nil
				return math.NaN()
			}
			x = float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
			data = data[4:]
			return x
		}
		for len(data) > 0 {
			in.Now = in.Now.Add(30 * time.Second)
			in.Sample = scaler.Sample{}
			for _, v := range values(&in.Sample) {
				*v = scaler.Known(next(), in.Now)
			}
			in.Sample.Check(in.Now, time.Minute)
			w := d.Want(in)
			if w.Size.Copies < 1 || w.Size.Copies > math.MaxInt32 || w.Why == "" {
				t.Fatalf("wants %+v at %+v", w, in)
			}
			if w.Size != in.Current {
				in.Last = scaler.Change{At: in.Now, From: in.Current, To: w.Size}
				in.Current = w.Size
			}
		}
		if again := reborn(t, d).(*Policy); again.state.Rate != d.state.Rate || len(again.state.Seen) != len(d.state.Seen) {
			t.Fatalf("after a restart rate %g, want %g", again.state.Rate, d.state.Rate)
		}
	})
}
