package argocd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/argocd"
)

// The number of copies is a Helm parameter of an application. A server with that application plays Argo CD's part; it prints the
// patch, which changes nothing if somebody else has changed the number meanwhile.
func ExampleOpenApplication() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			var q struct{ Patch string }
			_ = json.NewDecoder(r.Body).Decode(&q)
			fmt.Println(r.URL.Path, q.Patch)
		}
		fmt.Fprint(w, `{"spec":{"source":{"helm":{"parameters":[{"name":"replicaCount","value":"4"}]}}}}`)
	}))
	defer server.Close()

	ctx := context.Background()
	etl, err := argocd.OpenApplication(ctx, argocd.ApplicationConfig{URL: server.URL, Name: "etl", Token: "secret", Copies: "replicaCount"})
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
	// /api/v1/applications/etl [{"op":"test","path":"/spec/source/helm/parameters/0/value","value":"4"},{"op":"replace","path":"/spec/source/helm/parameters/0/value","value":"12"}]
	// <nil>
}
