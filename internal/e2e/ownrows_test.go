package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// A job that followed a folder and wrote below it once took its own rows for new files: of one record it made 105 rows. One
// that doesn't follow would read them at its next start.
func TestAJobNeverReadsItsOwnRows(t *testing.T) {
	for name, c := range map[string]struct {
		in, out, prefix string // folders below the test's
		link            bool   // in is reached by a link
		want            string // of the error; none if it is allowed
	}{
		"below":                 {in: "in", out: "in/out", want: "lies in the input folder"},
		"the same":              {in: "in", out: "in", want: "lies in the input folder"},
		"below by a link":       {in: "in", out: "in/out", link: true, want: "lies in the input folder"},
		"below by the prefix":   {in: "x/in", out: "x", prefix: "in/", want: "lies in the input folder"},
		"around":                {in: "out/all/raw", out: "out", want: "lies in the output folder"},
		"of late rows":          {in: "out/late", out: "out", want: "lies in the input folder"},
		"apart":                 {in: "in", out: "out"},
		"a similar name":        {in: "in", out: "inside"},
		"below, and not read":   {in: "in", out: "in/_out"},
		"below, in no flow":     {in: "out/raw", out: "out"},
		"the prefix isn't read": {in: "in", out: "in", prefix: "_out/"},
	} {
		for _, follow := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				in := filepath.Join(dir, c.in)
				if err := os.MkdirAll(in, 0o777); err != nil {
					t.Fatal(err)
				}
				line := time.Now().UTC().Format(time.RFC3339) + " one\n"
				if err := os.WriteFile(filepath.Join(in, "log"), []byte(line), 0o666); err != nil {
					t.Fatal(err)
				}
				if c.link {
					in = filepath.Join(dir, "link")
					if err := os.Symlink(filepath.Join(dir, c.in), in); err != nil {
						t.Fatal(err)
					}
				}
				err := runOwnRows(t, in, filepath.Join(dir, c.out), c.prefix, follow)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		}
	}
}

// openText opens a job with one flow of lines on a folder.
func openText(t *testing.T, out, job string, c codec.Codec, opts *sink.Options) (sink.Store, *sink.Sink[event]) {
	t.Helper()
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	text := format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil })
	files, err := sink.Open(t.Context(), store, job, []sink.Flow[event]{{Name: "all", Format: text, Codec: c}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return store, files
}

// runOwnRows runs a job until its input has ended or, if it is followed, until it has committed.
func runOwnRows(t *testing.T, in, out, prefix string, follow bool) error {
	t.Helper()
	src, err := file.Open(file.Config{Dir: in}, &file.Options{Follow: follow, Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	_, files := openText(t, out, "own", nil, &sink.Options{Prefix: prefix})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pipe := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
	return stream.Run(ctx, pipe, files, &stream.Options{CommitEvery: 20 * time.Millisecond, Observe: func(s stream.Status) {
		if follow && s.Commits > 0 {
			cancel()
		}
	}})
}
