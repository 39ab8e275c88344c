package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/sink/s3"
)

// A store other than Amazon's has an Endpoint; config.LoadDefaultConfig gives the aws.Config otherwise. The Store goes to
// sink.Open. What everything depends on is that only the first of two Creates of a key succeeds.
func Example() {
	ctx, server := context.Background(), httptest.NewServer(bucket{})
	defer server.Close()
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	store, err := s3.Open(ctx, cfg, "clicks", &s3.Options{Endpoint: server.URL, PathStyle: true})
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

// bucket is a double of an empty bucket that answers what the example asks.
type bucket map[string]string

func (b bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const upload = "<UploadId>1</UploadId>"
	q := r.URL.Query()
	switch {
	case q.Has("lifecycle"):
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>")
	case r.Method == http.MethodPost && q.Has("uploads"):
		fmt.Fprint(w, "<InitiateMultipartUploadResult>"+upload+"</InitiateMultipartUploadResult>")
	case q.Has("uploads"):
		fmt.Fprint(w, "<ListMultipartUploadsResult><Upload><Key>"+q.Get("prefix")+"x</Key>"+upload+"</Upload></ListMultipartUploadsResult>")
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		if _, there := b[r.URL.Path]; there && r.Header.Get("If-None-Match") == "*" {
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, "<Error><Code>PreconditionFailed</Code></Error>")
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		b[r.URL.Path] = string(body)
	case r.Method == http.MethodGet:
		fmt.Fprint(w, b[r.URL.Path])
	}
}
