package main

import (
	"reflect"
	"strings"
	"testing"

	written "github.com/onceflow/onceflow/internal/ledger"
)

// The field since of an owner was once unknown here, and only a torture with splits and merges wrote one.
//
// An owner with every field that the library can write is read.
func TestOwnersAreReadWithAllTheirFields(t *testing.T) {
	lane := written.OwnerLane{Lane: "a", Token: written.Token(strings.Repeat("0", 32)), Index: 1, From: []string{"b"}, Since: 2, Parts: 3}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(lane)) {
		if reflect.ValueOf(lane).FieldByIndex(f.Index).IsZero() {
			t.Errorf("%s is not set: is it known to the checker?", f.Name)
		}
	}
	body, err := (&written.Owner{Lanes: []written.OwnerLane{lane}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var o owner
	if _, err := decode(body, &o); err != nil {
		t.Fatalf("%v, of %s", err, body)
	}
	if got := o.Lanes[0]; got.Lane != "a" || got.Index != 1 || got.From[0] != "b" || got.Since != 2 || got.Parts != 3 {
		t.Errorf("got %+v, want %+v", got, lane)
	}
}
