package azure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/onceflow/onceflow/sink/azure"
)

// The URL of the container has a signature here. With Options.Token it has none, and a credential of package azidentity gets
// the tokens. The Store goes to sink.Open. What everything depends on is that only the first of two Creates of a key succeeds.
func Example() {
	ctx, server := context.Background(), httptest.NewServer(blobs{})
	defer server.Close()
	store, err := azure.Open(ctx, server.URL+"/clicks?sp=rcwdl&sig=secret", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("first:", store.Create(ctx, "greeting", []byte("hello")))
	err = store.Create(ctx, "greeting", []byte("bye"))
	fmt.Println("second is refused:", errors.Is(err, fs.ErrExist))
	body, err := store.Read(ctx, "greeting", 100)
	fmt.Println(string(body), err)
	// Output:
	// first: <nil>
	// second is refused: true
	// hello <nil>
}

// blobs is a double of an empty container that answers what the example asks.
type blobs map[string]string

func (b blobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, there := b[r.URL.Path]
	refuse := func(status int, code string) {
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(status)
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	switch {
	case r.URL.Query().Get("comp") == "properties": // of the account
	case r.Method == http.MethodPut && there && r.Header.Get("If-None-Match") == "*":
		refuse(http.StatusConflict, "BlobAlreadyExists")
	case r.Method == http.MethodPut:
		text, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		b[r.URL.Path] = string(text)
		w.WriteHeader(http.StatusCreated)
	case !there:
		refuse(http.StatusNotFound, "BlobNotFound")
	default:
		fmt.Fprint(w, body)
	}
}
