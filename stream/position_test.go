package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// fromZero is a source whose own tools number records from 0, as Kafka's do.
type fromZero struct{ driver.Source }

func (f fromZero) Info() driver.SourceInfo {
	info := f.Source.Info()
	info.FromZero = true
	return info
}

// Dead letters and errors of stages once told the offset + 1 of Kafka: whoever looked there saw another record.
func TestPositionsAreToldAsTheSourcesOwnToolsPrintThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a", "no time", "06:02 b")
		log.EndAll()
		fail := errors.New("it cannot be")
		runToEnd(t, texts(fromZero{log.Source(nil)}), ledger.Output(), nil)
		if dead := ledger.Dead(); len(dead) != 1 || dead[0].Position != "1" || dead[0].Record.Position.Sub != 2 {
			t.Errorf("dead letters %+v, want one of the offset 1", dead)
		}
		failing := stream.Func[text, text](func(context.Context, []record.Event[text], *stage.Emitter[text]) error { return fail })
		err := stream.Run(t.Context(), stream.Via(texts(fromZero{log.Source(nil)}), stage.Stage[text, text](failing)), newLedger(t).Output(), nil)
		if !errors.Is(err, fail) || !strings.Contains(err.Error(), "from 0 of") {
			t.Errorf("got %v, want an error in the batch from 0", err)
		}
	})
}
