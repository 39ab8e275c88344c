package sinktest_test

import (
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, func(*testing.T) sink.Store { return m })
}

// A Faulty without faults changes nothing.
func TestFaultyConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, func(*testing.T) sink.Store { return sinktest.NewFaulty(m, nil) })
}
