package sourcename

import (
	"strings"
	"testing"
)

func TestSplitUndoesJoin(t *testing.T) {
	for _, name := range []string{"", "us", "eu-2", strings.Repeat("x", Most)} {
		for _, s := range []string{"clicks", "cluster/clicks", "a=b", "=", "arn:aws:kinesis:eu-west-1:1:stream/a", ""} {
			if name == "" && s == "a=b" {
				continue // a source without a name whose own names look like this is refused
			}
			if got, rest := Split(Join(name, s)); got != name || rest != s {
				t.Errorf("%q and %q came back as %q and %q", name, s, got, rest)
			}
		}
	}
	for s, want := range map[string]bool{"us": true, "": false, "Us": false, "1a": false, "a b": false, "é": false, strings.Repeat("x", Most+1): false, "a=": false} {
		if Legal(s) != want {
			t.Errorf("%q is legal: %v, want %v", s, !want, want)
		}
	}
}
