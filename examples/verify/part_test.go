package main

import (
	"testing"
	"time"
)

// A shard that comes of a merge moves from the lane of the parent that ended first. It was once looked for in the other.
func TestAChildOfTwoParentsIsInTheLaneOfTheFirst(t *testing.T) {
	child := partition{Source: "s", ID: "child"}
	ended := func(id string, at time.Time) *partitionRow {
		return &partitionRow{partition: partition{Source: "s", ID: id}, Ended: true, MaxEventTime: at, Watermark: at, Arrived: at, Children: []partition{child}}
	}
	l := newLanes(&place{}, nil)
	l.children("b", ended("1", at(8, 30)))
	l.children("a", ended("2", at(8, 10)))
	if got := l.parts[child]; got.lane != "b" || !got.row.MaxEventTime.Equal(at(8, 10)) || !got.row.Watermark.Equal(at(8, 10)) || !got.row.Arrived.Equal(at(8, 10)) {
		t.Errorf("lane %s, max event time %v, watermark %v, arrived %v; want b and the earlier clocks", got.lane, got.row.MaxEventTime, got.row.Watermark, got.row.Arrived)
	}
}
