package stream_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// pairing merges "x2" into the "x1" that came before or comes after, for any word x, and lets go of lonely ones after
// Wait of event time: an "x1" as it is, an "x2" dropped.
type pairing struct{ wait time.Duration }

func (p pairing) Traits() stage.Traits { return stage.Traits{Holds: true} }

func (p pairing) Open(*stage.Lane) (stage.Processor[text, text], error) {
	return &pairs{pairing: p}, nil
}

type pairs struct {
	pairing
	pending []record.Event[text]
}

func (p *pairs) Process(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		word, side := e.Value.word[:len(e.Value.word)-1], e.Value.word[len(e.Value.word)-1:]
		other := map[string]string{"1": word + "2", "2": word + "1"}[side]
		i := slices.IndexFunc(p.pending, func(h record.Event[text]) bool {
			return h.Value.word == other && h.Time.Sub(e.Time).Abs() < p.wait
		})
		if i < 0 {
			out.Hold(e.Origin)
			p.pending = append(p.pending, e)
			continue
		}
		partner := p.pending[i]
		p.pending = slices.Delete(p.pending, i, i+1)
		out.Release(partner.Origin)
		left, right := partner, e
		if side == "1" {
			left, right = e, partner
		}
		out.Merge(left.Origin, right.Origin)
		left.Value.word += "+" + right.Value.word
		out.Emit(left)
	}
	return nil
}

func (p *pairs) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[text]) error {
	p.pending = slices.DeleteFunc(p.pending, func(e record.Event[text]) bool {
		if e.Time.Add(p.wait).After(eventTime) {
			return false
		}
		out.Release(e.Origin)
		if strings.HasSuffix(e.Value.word, "1") {
			out.Emit(e)
		} else {
			out.Drop(e.Origin, record.Filtered, "lonely")
		}
		return true
	})
	return nil
}
