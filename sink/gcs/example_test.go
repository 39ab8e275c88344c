package gcs_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/onceflow/onceflow/sink/gcs"
)

// Without Options.Client, the application's default credentials make one. The Store goes to sink.Open. What everything
// depends on is that only the first of two Creates of a key succeeds.
func Example() {
	ctx, server := context.Background(), httptest.NewServer(bucket{})
	defer server.Close()
	client, err := storage.NewClient(ctx, option.WithEndpoint(server.URL+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store, err := gcs.Open(ctx, "clicks", &gcs.Options{Client: client})
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
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case strings.HasPrefix(r.URL.Path, "/upload/"):
		name, body, err := parts(r)
		if err != nil {
			log.Fatal(err)
		}
		if _, there := b[name]; there && r.URL.Query().Get("ifGenerationMatch") == "0" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		b[name] = body
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
		answer, err := json.Marshal(map[string]any{"name": name, "timeCreated": time.Now().UTC(), "crc32c": sum})
		if err != nil {
			log.Fatal(err)
		}
		_, _ = w.Write(answer)
	case strings.HasSuffix(r.URL.Path, "/b/clicks"):
		fmt.Fprint(w, `{"name": "clicks"}`)
	case strings.HasPrefix(r.URL.Path, "/clicks/"):
		fmt.Fprint(w, b[name])
	default:
		fmt.Fprintf(w, `{"name": %q}`, name)
	}
}

// parts are the two of an upload: the name is in the first, and the second is the object.
func parts(r *http.Request) (name, body string, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	var texts [2]string
	m := multipart.NewReader(r.Body, params["boundary"])
	for i := range texts {
		p, err := m.NextPart()
		if err != nil {
			return "", "", err
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return "", "", err
		}
		texts[i] = string(text)
	}
	_, name, _ = strings.Cut(texts[0], `"name":"`)
	name, _, _ = strings.Cut(name, `"`)
	return name, texts[1], nil
}
