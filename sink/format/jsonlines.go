package format

import "encoding/json"

// JSONLines writes each row as JSON on one line that ends with a newline (NDJSON), by the rules of encoding/json: tags and
// Marshalers count. HTML characters are not escaped. Invalid UTF-8 in a string becomes U+FFFD, as always in JSON; a row
// that JSON cannot express, such as a NaN, is an error.
func JSONLines[T any]() Format[T] { return jsonLines[T]{} }

type jsonLines[T any] struct{}

func (jsonLines[T]) Ext() string { return ".jsonl" }

func (jsonLines[T]) Open() Encoder[T] {
	e := new(jsonEncoder[T])
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}

type jsonEncoder[T any] struct {
	enc *json.Encoder // keeps its state between rows, which saves an allocation for each
	buf appender
}

func (*jsonEncoder[T]) Header(dst []byte) []byte { return dst }

func (e *jsonEncoder[T]) Encode(dst []byte, row *T) ([]byte, error) {
	e.buf.b = dst
	err := e.enc.Encode(row) // writes nothing if it fails
	dst = e.buf.b
	e.buf.b = nil
	return dst, err
}

// appender lets what wants an io.Writer append to a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
