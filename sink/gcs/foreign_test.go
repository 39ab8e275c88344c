package gcs

import (
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
)

// What others put into the bucket, of whatever name, is no object and nothing staged.
func TestForeignObjectsDisturbNothing(t *testing.T) {
	s := open(t, &spoiler{})
	if err := s.Create(t.Context(), "rows/a", nil); err != nil {
		t.Fatal(err)
	}
	stage(t, s, "rows/own-1-1", []byte("rows"))
	put := 0
	for _, folder := range []string{"", "rows/", "_onceflow/job/e0001/", "_staging/", "_staging/clock/"} {
		for _, name := range []string{"//x", "/x", "../x", "a b", "100%", "%zz", "\x01", "a\x1f-1&<>\"", "\u2028", "é-1", "folder/", "plus+1", "-", "own-\x02", "photo-1.jpg"} {
			w := s.bucket.Object(s.opts.Prefix + folder + name).NewWriter(t.Context())
			w.Metadata = map[string]string{finalKey: "../" + name}
			if err := w.Close(); err != nil {
				t.Logf("%q: %v", folder+name, err)
				continue
			}
			put++
		}
	}
	if put < 50 {
		t.Fatalf("%d foreign objects show nothing", put)
	}
	var listed []string
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil || driver.CheckKey(o.Key) != nil {
			t.Errorf("listed %v, %v", o, err)
		}
		listed = append(listed, o.Key)
	}
	if got := strings.Join(listed, " "); !strings.Contains(got, "rows/a") || strings.Contains(got, "_staging/") {
		t.Errorf("listed %q", got)
	}
	n := 0
	for st, err := range s.Staged(t.Context()) {
		if err != nil || st.Key != "rows/own-1-1" {
			t.Errorf("staged: %+v, %v", st, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d are staged, want 1", n)
	}
}
