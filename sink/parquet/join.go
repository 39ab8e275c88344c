package parquet

import (
	"bytes"
	"io"
	"sync"

	"github.com/onceflow/onceflow/sink/format"
)

// join makes Parquet files of the rows and row groups of any of our formats. It is safe for concurrent use.
type join struct {
	mu    sync.Mutex       // a leaf
	forms map[string]*form // by header
}

func newJoin() *join { return &join{forms: map[string]*form{}} }

// mostForms bounds the headers that are kept. There are as many as schemas in an hour.
const mostForms = 32

// form returns what a header says.
func (j *join) form(header []byte) (*form, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.forms[string(header)]; f != nil {
		return f, nil
	}
	f, err := formOf(header)
	if err != nil {
		return nil, err
	}
	if len(j.forms) >= mostForms {
		clear(j.forms)
	}
	j.forms[string(header)] = f
	return f, nil
}

// Name is "parquet".
func (j *join) Name() string { return "parquet" }

// BlockBytes is 16 MiB.
func (j *join) BlockBytes() int { return 16 << 20 }

// Alike tells whether two headers are equal.
func (j *join) Alike(a, b []byte) bool { return bytes.Equal(a, b) }

// Begin writes the magic.
func (j *join) Begin(w io.Writer, header []byte, memory int64) (format.File, error) {
	form, err := j.form(header)
	if err != nil {
		return nil, err
	}
	f := &file{out: w, form: form, most: form.most}
	if memory > 0 && memory < f.most {
		f.most = memory
	}
	return f, f.write([]byte(magic))
}
