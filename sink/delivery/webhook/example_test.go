package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/webhook"
)

// A receiver remembers what it has loaded, so that a unit that comes twice is loaded once.
func Example() {
	loaded := map[string]bool{} // in real life a table, changed in the transaction that loads the rows
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n webhook.Notice
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if loaded[n.Unit] {
			fmt.Println("again", n.Unit)
			w.WriteHeader(http.StatusConflict)
			return
		}
		loaded[n.Unit] = true
		fmt.Println("load", n.Unit, "of job", n.Job)
	}))
	defer server.Close()
	target, err := webhook.New(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	// delivery.Open takes the target. Here its part is played by two calls, as after a crash between them.
	unit := &delivery.Unit{ID: "loader-3f0a-e17", Delivery: "loader", Job: "etl"}
	for range 2 {
		if _, err := target.Load(context.Background(), unit); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// load loader-3f0a-e17 of job etl
	// again loader-3f0a-e17
}
