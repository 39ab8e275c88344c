package sink

import "github.com/onceflow/onceflow/stream"

// Raw writes the value of each record as it is, and a newline: for pipes without a Decode, and for values that are text.
// ext is the extension of the files, with its dot. A value that holds a newline, or a record without a value, is an error.
// Keys and headers are not written.
func Raw(ext string) Format[stream.Record] {
	return Lines(ext, func(dst []byte, r *stream.Record) ([]byte, error) {
		if r.Value == nil {
			return dst, errNoValue
		}
		return append(dst, r.Value...), nil
	})
}
