package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// checkJSON reads a plain JSON object into v and compares it with want, which has the same type.
func (p *place) checkJSON(ctx context.Context, key string, must bool, v, want any) (found bool, err error) {
	body, err := bucket.Read(ctx, p.b, key, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		p.r.expect(!must, key, "it is missing")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if diff := compareJSON(body, v, want); diff != "" {
		p.r.bad(key, "%s", diff)
	}
	return true, nil
}

// compareJSON reads body into v and tells how it differs from want; "" is not at all.
func compareJSON(body []byte, v, want any) string {
	if err := json.Unmarshal(body, v); err != nil {
		return err.Error()
	}
	if diff := difference(v, want); diff != "" {
		return diff
	}
	// Unmarshal takes a name in other letters for the same one, and passes over a name that it does not know: one whose value is
	// zero would not be missed.
	var is, should any
	text, err := json.Marshal(want)
	if err = errors.Join(err, exactly(body, &is), exactly(text, &should)); err != nil {
		return err.Error()
	}
	if !reflect.DeepEqual(is, should) {
		return "its names are not those of the format"
	}
	return ""
}

// exactly decodes JSON as it is spelled.
func exactly(body []byte, v *any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return d.Decode(v)
}

// difference names the first line in which two values differ as JSON.
func difference(got, want any) string {
	a, err := json.MarshalIndent(got, "", " ")
	b, err2 := json.MarshalIndent(want, "", " ")
	if err != nil || err2 != nil {
		return fmt.Sprint(errors.Join(err, err2))
	}
	if bytes.Equal(a, b) {
		return ""
	}
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	line := func(s []string) string {
		if i < len(s) {
			return strings.Trim(s[i], " ,")
		}
		return "nothing more"
	}
	return fmt.Sprintf("it says %s, the ledger says %s", line(x), line(y))
}
