package sinktest_test

import (
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return m, nil }, Page: page})
}

// A Faulty without faults changes nothing.
func TestFaultyConformance(t *testing.T) {
	m := sinktest.NewMemory()
	sinktest.Run(t, sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return sinktest.NewFaulty(m, nil), nil }, Page: page})
}
