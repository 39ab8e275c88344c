package gcs

import (
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	first := open(t, &spoiler{})
	sinktest.Run(t, func(t *testing.T) driver.Store {
		s, err := Open(t.Context(), first.name, &first.opts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
