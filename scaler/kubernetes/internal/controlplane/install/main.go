// Command install builds what the tests of scaler/kubernetes need, unless it is there already.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/onceflow/onceflow/scaler/kubernetes/internal/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p, err := controlplane.Install(ctx, os.Stderr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Etcd)
	fmt.Println(p.APIServer)
}
