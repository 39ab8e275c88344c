package escape_test

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/onceflow/onceflow/sink/escape"
)

// A loader finds the folder of a key's value, and the value of a folder that it has listed.
func Example() {
	folder := "clicks/day=2025-05-01/hour=12/site=" + string(escape.Append(nil, "b/c")) + "/"
	fmt.Println(folder)
	value, err := escape.Undo("b%2Fc")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(value)
	_, err = escape.Undo(string(escape.Append(nil, strings.Repeat("long", 100))))
	fmt.Println("only a hash is left:", errors.Is(err, escape.ErrHashed))
	// Output:
	// clicks/day=2025-05-01/hour=12/site=b%2Fc/
	// b/c
	// only a hash is left: true
}
