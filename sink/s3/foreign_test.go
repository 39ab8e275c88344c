package s3

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/sink/driver"
)

// foreignNames are names that other programs may give their objects, some of which are no keys, and some of which XML has
// no form for.
func foreignNames() (names []string) {
	for _, folder := range []string{"", "rows/", "rows/day=2025-05-01/hour=06/", "_onceflow/", "_onceflow/job/e0001/", "_onceflow/job/e0001/s0000/", "_staging/"} {
		for _, name := range []string{
			"//x", "/x", "../x", "a b", " ", "100%", "%zz", "%2F-1", "\x01", "a\x1f-1&<>\"", "\u2028", "\ufffe", "\xff\xfe", "é-1", "folder/", "plus+1", ".DS_Store", "~",
			"-", "photo-1.jpg", "00000000000000000001x", strings.Repeat("long", 60),
		} {
			names = append(names, folder+name)
		}
	}
	return names
}

// What others put into the bucket, a name with a control character in it, once made every listing an error.
func TestForeignObjectsDisturbNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s, _ := p.inBucket(t, Options{}, nil)
		page := int32(7)
		s.bucket.page = &page
		other := admin(p.endpoint)
		objects, uploads := 0, 0
		for _, name := range foreignNames() {
			put := &s3.PutObjectInput{Bucket: &s.bucket.name, Key: aws.String(name), Body: strings.NewReader("foreign")}
			if _, err := other.PutObject(t.Context(), put); err == nil {
				objects++
			}
			if _, err := other.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.bucket.name, Key: aws.String(name)}); err == nil {
				uploads++
			}
		}
		t.Logf("%d foreign objects and %d uploads of %d names", objects, uploads, len(foreignNames()))
		if objects < 60 || uploads < 60 {
			t.Fatal("the server refuses too many names, so this tests nothing")
		}
		in := t.TempDir()
		write(t, in+"/a.txt", 1000, 5*time.Second)
		for range 2 { // the second looks for what was lost, and sweeps
			if err := run(t, s, in, nil); err != nil {
				t.Fatal(err)
			}
		}
		files, seals := 0, 0
		for o, err := range s.List(t.Context(), "", "") {
			if err != nil || driver.CheckKey(o.Key) != nil {
				t.Errorf("listed: %v, %v", o, err)
			}
			if ours.MatchString(o.Key) {
				files++
			}
			if strings.HasSuffix(o.Key, "/_SEALED") {
				seals++
			}
		}
		if files == 0 || seals != 2 {
			t.Errorf("%d files and %d seals, want some and 2", files, seals)
		}
		for st, err := range s.Staged(t.Context()) {
			if err != nil || driver.CheckKey(st.Key) != nil || driver.CheckOwner(st.Owner) != nil {
				t.Errorf("staged: %+v, %v", st, err)
			}
		}
		p.listsForeign(t, s, objects)
	})
}

var ours = regexp.MustCompile(`^rows/day=2025-05-01/hour=\d\d/[0-9a-f]{26}-\d+-\d+\.`)

// listsForeign checks that the listings above went past the names that XML has no form for. versitygw cannot write them, and says
// U+FFFD in their place. Both servers take some names for others: those of a path that leads to the same place.
func (p place) listsForeign(t *testing.T, s *Store, objects int) {
	t.Helper()
	names, listed := foreignNames(), map[string]int{}
	for o, err := range list(t.Context(), s.bucket, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Size == int64(len("foreign")) {
			listed[o.Key]++
		}
	}
	for _, name := range names {
		if odd := strings.ContainsAny(name, "\x01\x1f") && strings.HasPrefix(name, "rows/"); odd && p.server == "MinIO" && listed[name] != 1 {
			t.Errorf("%q is listed %d times, want once", name, listed[name])
		}
	}
	if len(listed) < objects/2 {
		t.Errorf("%d foreign objects are listed of %d", len(listed), objects)
	}
}
