package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/s3"
)

const remotePrefix = "team/" // what the stores of these tests are opened with

// passes checks a place that is as it should be, then once more without one of its files.
func passes(t *testing.T, place, endpoint string, remove func(key string)) {
	t.Helper()
	for _, want := range []struct {
		code int
		say  string
	}{{0, "12,000 read = 11,976 written"}, {1, "it is missing"}} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), []string{place, "-job", "etl", "-endpoint", endpoint}, &out, &errOut)
		if code != want.code || !strings.Contains(out.String(), want.say) {
			t.Fatalf("%s: exit %d, want %d and %q:\n%s%s", place, code, want.code, want.say, &out, &errOut)
		}
		if want.code == 0 {
			b, err := open(t.Context(), place, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			remove(firstFile(t, b))
		}
	}
}

// firstFile is the key of a file of a flow that all hours have.
func firstFile(t *testing.T, b bucket.Bucket) string {
	t.Helper()
	for o, err := range b.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(o.Key, "all/") && strings.HasSuffix(o.Key, ".zst") {
			return o.Key
		}
	}
	t.Fatal("there is no file")
	return ""
}

// manyPages lists with few objects in an answer, and compares with one answer.
func manyPages(t *testing.T, whole, paged bucket.Bucket) {
	t.Helper()
	want, err := bucket.Sizes(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bucket.Sizes(t.Context(), paged)
	if err != nil || len(got) != len(want) || len(want) < 100 {
		t.Errorf("many pages have %d objects, %v; want the %d of one page", len(got), err, len(want))
	}
	if r, err := whole.Open(t.Context(), "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v, %v; want fs.ErrNotExist", r, err)
	}
}

func TestABucketOfS3IsChecked(t *testing.T) {
	m := servertest.MinIO(t)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", servers.MinIOAccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servers.MinIOSecretKey)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := "bucket-" + strings.ToLower(rand.Text())
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(m.Endpoint()), true })
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open(t.Context(), cfg, name, &s3.Options{Endpoint: m.Endpoint(), PathStyle: true, Prefix: remotePrefix})
	if err != nil {
		t.Fatal(err)
	}
	writeReal(t, store)
	b, err := bucket.OpenS3(t.Context(), m.Endpoint(), name, remotePrefix)
	if err != nil {
		t.Fatal(err)
	}
	paged := *b
	paged.Page = 7
	manyPages(t, b, &paged)
	long := "all/day=2025-05-01/hour=23/" + strings.Repeat("k=v/", 220) + "o1-1-0.jsonl" // no name in staging has room for it
	for _, staging := range []string{"uploads", "objects"} {
		for _, key := range []string{"all/day=2025-05-01/hour=23/o1-" + staging + ".jsonl", staging + long} {
			o := &s3.Options{Endpoint: m.Endpoint(), PathStyle: true, Prefix: remotePrefix, Staging: staging}
			if store, err = s3.Open(t.Context(), cfg, name, o); err != nil {
				t.Fatal(err)
			}
			if staged, err := b.Staged(t.Context(), key); staged || err != nil {
				t.Errorf("before it is staged: %v, %v", staged, err)
			}
			stageRow(t, store, key)
			if staged, err := b.Staged(t.Context(), key); !staged || err != nil {
				t.Errorf("%.60s, as %s: staged: %v, %v", key, staging, staged, err)
			}
		}
	}
	for _, foreign := range []string{"photo\x01.jpg", "_staging/photo\x01", "a b/%zz"} {
		in := &awss3.PutObjectInput{Bucket: &name, Key: aws.String(remotePrefix + foreign), Body: strings.NewReader("x")}
		if _, err := client.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	passes(t, "s3://"+name+"/"+remotePrefix, m.Endpoint(), func(key string) {
		if _, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &name, Key: aws.String(remotePrefix + key)}); err != nil {
			t.Fatal(err)
		}
	})
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"s3://no-" + name, "-endpoint", m.Endpoint()}, &out, &errOut); code != 2 || !strings.Contains(errOut.String(), "NoSuchBucket") {
		t.Errorf("a bucket that is not there: exit %d, %s", code, &errOut)
	}
}

func stageRow(t *testing.T, store driver.Store, key string) {
	t.Helper()
	u, err := store.Stage(t.Context(), key, "o1", 0)
	if err == nil {
		_, err = u.Write([]byte("row\n"))
	}
	if err == nil {
		_, err = u.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The store for Google Cloud Storage is another module, whose tests check what it writes; here the objects are copied.
func TestABucketOfGCSIsChecked(t *testing.T) {
	var listings atomic.Int64
	g := servertest.GCS(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/o") {
				listings.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	send := func(method, path string, body []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, g.Endpoint()+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if said, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s: %s", method, path, resp.Status, said)
		}
	}
	name := "bucket-" + strings.ToLower(rand.Text())
	send(http.MethodPost, "/storage/v1/b?project=p", []byte(`{"name":"`+name+`"}`))
	upload := func(key string, body []byte) {
		send(http.MethodPost, "/upload/storage/v1/b/"+name+"/o?uploadType=media&name="+url.QueryEscape(key), body)
	}
	from := bucket.Folder(realOutput(t))
	sizes, err := bucket.Sizes(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	for key := range sizes {
		body, err := bucket.Read(t.Context(), from, key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		upload(remotePrefix+key, body)
	}
	upload(remotePrefix+"_staging/day=2025-05-01/x", nil) // would be a stray file elsewhere
	b := bucket.OpenGCS(g.Endpoint(), name, remotePrefix)
	paged := *b
	paged.Page = 7
	manyPages(t, b, &paged)
	if n := listings.Load(); n < 10 {
		t.Errorf("%d listings: the emulator did not make pages", n)
	}
	passes(t, "gs://"+name+"/"+remotePrefix, g.Endpoint(), func(key string) {
		send(http.MethodDelete, "/storage/v1/b/"+name+"/o/"+url.PathEscape(remotePrefix+key), nil)
	})
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"gs://no-" + name, "-endpoint", g.Endpoint()}, &out, &errOut); code != 2 || !strings.Contains(errOut.String(), "there is no bucket no-") {
		t.Errorf("a bucket that is not there: exit %d, %s", code, &errOut)
	}
}
