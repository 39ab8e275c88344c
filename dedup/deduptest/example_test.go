package deduptest_test

import (
	"fmt"
	"testing"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
)

// TestMyStore is the whole test of a store of IDs.
func TestMyStore(t *testing.T) {
	deduptest.Run(t, func(*testing.T) dedup.Store { return dedup.NewMemory(nil) }, &deduptest.Options{NoHolders: true, Records: 1000})
}

// A store of IDs has one test: TestMyStore, which go test runs. Stores in memory keep no holders, which the options say.
func Example() {
	fmt.Println("go test -run TestMyStore")
	// Output: go test -run TestMyStore
}
