package codec_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"github.com/klauspost/compress/gzip"

	"github.com/onceflow/onceflow/sink/codec"
)

// Two frames, such as two workers make of their rows, are one file to a usual reader.
func Example() {
	var file bytes.Buffer
	w := codec.Gzip.New()
	for _, rows := range []string{"first\n", "second\n"} {
		w.Reset(&file)
		if _, err := io.WriteString(w, rows); err != nil {
			log.Fatal(err)
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
	}
	r, err := gzip.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(r)
	fmt.Printf("%s%v", text, err)
	// Output:
	// first
	// second
	// <nil>
}
