package main

import "testing"

// An endpoint, a job or an auditor by itself once lost a tenth of the batches unless it was told not to.
func TestNothingIsLostOnPurposeUnlessItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		args []string
		want faults
	}{
		{[]string{"-role", "endpoint"}, faults{}},
		{[]string{"-role", "auditor"}, faults{}},
		{[]string{"-role", "endpoint", "-lose", "0.3"}, faults{lose: 0.3}},
		{nil, demoFaults},
		{[]string{"-double", "0.3"}, faults{double: 0.3}},
		{[]string{"-lose", "0"}, faults{}},
	} {
		got := parseFlags(c.args).faults
		if got.delayBy = 0; got != c.want || got.on() != (c.want != faults{}) {
			t.Errorf("with %q: %s, want %s", c.args, got, c.want)
		}
	}
}
