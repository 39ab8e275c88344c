package kubernetes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"k8s.io/client-go/rest"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/kubernetes"
)

// The number of copies is the scale of a deployment. A server with that scale plays the part of Kubernetes' API server; it prints
// the patch, which changes nothing if somebody else has changed the number meanwhile.
func ExampleOpen() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			patch, _ := io.ReadAll(r.Body)
			fmt.Printf("%s %s\n", r.URL.Path, patch)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"etl","namespace":"prod"},"spec":{"replicas":4}}`)
	}))
	defer server.Close()

	ctx := context.Background()
	etl, err := kubernetes.Open(ctx, kubernetes.Deployment("prod", "etl"), &kubernetes.Options{Config: &rest.Config{Host: server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	size, err := etl.Size(ctx)
	fmt.Println(size, err)
	err = etl.Resize(ctx, scaler.Change{From: size, To: scaler.Size{Copies: 12}, Why: "rule rush"})
	fmt.Println(err)
	// Output:
	// 4 copies <nil>
	// /apis/apps/v1/namespaces/prod/deployments/etl/scale [{"op":"test","path":"/spec/replicas","value":4},{"op":"replace","path":"/spec/replicas","value":12}]
	// <nil>
}
