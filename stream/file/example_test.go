package file_test

import (
	"fmt"
	"strconv"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// A parse function takes columns by their names, wherever the file's header puts them.
func ExampleColumns() {
	type order struct {
		item  string
		cents int
	}
	parse := file.Columns(file.CSV{}, []string{"item", "cents"}, func(c [][]byte) (o order, err error) {
		o.item = string(c[0]) // a copy: the fields are valid during the call
		o.cents, err = strconv.Atoi(string(c[1]))
		return o, err
	})
	header := []stream.Header{{Key: file.HeaderKey, Value: []byte("id,cents,item")}} // the source adds it
	for _, line := range []string{`1,1999,"lamp, ""blue"""`, `2,free,vase`} {
		o, err := parse(&stream.Record{Value: []byte(line), Headers: header})
		fmt.Println(o.item, o.cents, err)
	}
	// Output:
	// lamp, "blue" 1999 <nil>
	// vase 0 strconv.Atoi: parsing "free": invalid syntax
}

// Open reads a folder; each file is a lane, and all of them together end the job.
func ExampleOpen() {
	_, err := file.Open(file.Config{Dir: "no-such-folder", Patterns: []string{"*.ndjson", "*.ndjson.gz"}}, nil)
	fmt.Println(err)
	// Output: file: lstat no-such-folder/: no such file or directory
}
