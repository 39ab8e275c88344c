package s3

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestNamesInStagingSayTheirKey(t *testing.T) {
	token := strings.Repeat("T", tokenLength)
	long := strings.Repeat("s", driver.MaxSegment)
	for _, prefix := range []string{"", "team/"} {
		for _, key := range []string{"own-1", "rows/day=2025-05-01/hour=06/own-1-1.jsonl.zst", "a/%2F/日本/own-x", long + "/own-1", strings.Repeat("d/", 490) + "own-1"} {
			name := stagingName(prefix, "own", token, key)
			said := keyOfStaged(name)
			if len(prefix+name) > driver.MaxKey || said == key == saysNoKey(name) || said != "" && said != key {
				t.Errorf("%.50q is staged as %.80q, which says %.50q", key, name, said)
			}
			for s := range strings.SplitSeq(name, "/") {
				if len(s) > driver.MaxSegment || strings.HasSuffix(s, ".zst") || s == "day=2025-05-01" {
					t.Errorf("%.50q is staged as %.80q, which readers would take for data", key, name)
				}
			}
		}
	}
	for _, foreign := range []string{"", "_staging/", "_staging/x", "_staging/,", "_staging/a,b", "_staging/a,,", "_staging/a,b//c,", "_staging/own-1", "other/T,own-1,",
		"_staging/a b-" + token, "_staging/a-" + token + ",", "_staging/x/a-" + token} {
		if key := keyOfStaged(foreign); key != "" || saysNoKey(foreign) {
			t.Errorf("%q is taken for the staging of %q", foreign, key)
		}
	}
}

// What lies in the folder of staging is listed for what it is, keys that its name has no room for included.
func TestStagedObjectsAreListedByTheirKeys(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		if p.staging != stagingObjects {
			return
		}
		s, _ := p.inBucket(t, Options{Prefix: "team/"}, nil)
		one := int32(1)
		s.bucket.page = &one
		keys := []string{"own-1", "rows/day=2025-05-01/own-2.jsonl", "x/own-3-" + strings.Repeat("k", driver.MaxSegment-10)}
		for _, name := range []string{"_staging/clock", "_staging/photo-1.jpg", "_staging/T,rows/x,"} {
			in := &s3.PutObjectInput{Bucket: &s.bucket.name, Key: aws.String("team/" + name), Body: strings.NewReader("x")}
			if _, err := admin(p.endpoint).PutObject(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		refs := map[string][]byte{}
		for _, key := range keys {
			refs[key] = stage(t, s, key, []byte(key))
		}
		var got []string
		for st, err := range s.Staged(t.Context()) {
			if err != nil || st.Owner != "own" || st.Bytes != int64(len(st.Key)) {
				t.Errorf("staged: %+v, %v", st, err)
			}
			got = append(got, st.Key)
			if err := s.Discard(t.Context(), st); err != nil {
				t.Error(err)
			}
			// A late publisher finds nothing to copy.
			if err := s.Publish(t.Context(), refs[st.Key]); !errors.Is(err, driver.ErrStagingLost) {
				t.Errorf("publish after discard: %v, want ErrStagingLost", err)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, keys) {
			t.Errorf("staged: %q, want %q", got, keys)
		}
		for o, err := range s.List(t.Context(), "", "") {
			t.Errorf("listed: %v, %v", o, err)
		}
	})
}

// The deletion of what was copied may fail: the file is published all the same, and the sweeper finds what is left.
func TestWhatIsPublishedStaysSoWhenItsStagingCannotBeDeleted(t *testing.T) {
	for name, ft := range map[string]sinktest.Fault{
		"refused": answer(403, "<Error><Code>AccessDenied</Code></Error>"), "reply lost": unanswered, "503": answer(503, ""),
	} {
		s, _ := inBucket(t, Options{Staging: stagingObjects, Timeout: time.Second}, first("DeleteObject", ft))
		ref := stage(t, s, "own-1-1", []byte("rows"))
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish: %v, want success", name, err)
		}
		n := 0
		for st, err := range s.Staged(t.Context()) {
			if err = errors.Join(err, s.Discard(t.Context(), st)); err != nil || st.Key != "own-1-1" {
				t.Errorf("%s: staged: %+v, %v", name, st, err)
			}
			n++
		}
		if want := 1; ft.Kind == sinktest.Silence != (n == 0) && n != want {
			t.Errorf("%s: %d are left in staging, want %d", name, n, want)
		}
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish again, without staging: %v, want success", name, err)
		}
		if got, err := s.Read(t.Context(), "own-1-1", 100); string(got) != "rows" {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
}

// A file that was published, and deleted by its reader since, does not come back, however late a publisher is.
func TestALatePublisherBringsNothingBack(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s, _ := p.inBucket(t, Options{}, nil)
		ref := stage(t, s, "own-1-1", []byte("rows"))
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if _, err := admin(p.endpoint).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket.name, Key: aws.String("own-1-1")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(t.Context(), ref); !errors.Is(err, driver.ErrStagingLost) {
			t.Errorf("publish: %v, want ErrStagingLost", err)
		}
		if _, err := s.Read(t.Context(), "own-1-1", 100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read: %v, want that there is none", err)
		}
	})
}

// Another's object under the key of a file that waits as an object is neither taken for it nor replaced.
func TestACopyReplacesNothing(t *testing.T) {
	s, _ := inBucket(t, Options{Staging: stagingObjects}, nil)
	ref := stage(t, s, "own-1-1", []byte("rows"))
	if err := s.Create(t.Context(), "own-1-1", []byte("else")); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), ref); !errors.Is(err, driver.ErrStagingLost) {
		t.Errorf("publish: %v, want ErrStagingLost", err)
	}
	if got, err := s.Read(t.Context(), "own-1-1", 100); string(got) != "else" {
		t.Errorf("read %q, %v, want the other's", got, err)
	}
}

// Files that are longer than what is copied in one request are refused before they are whole. That the caller means to write
// one is no reason: most files end earlier.
func TestFilesThatCannotBeCopiedAreRefused(t *testing.T) {
	s := &Store{bucket: &bucket{copies: true, opts: Options{PartBytes: 8 << 20}}}
	u, err := s.Stage(t.Context(), "own-1", "own", mostCopied+1)
	if err != nil {
		t.Fatal(err)
	}
	up := u.(*upload)
	up.ref.Size = mostCopied - int64(up.length) + 1
	if _, err := u.Write(make([]byte, up.length)); !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), "FileBytes") {
		t.Errorf("write: %v, want ErrPermanent", err)
	}
}

// Where uploads are not listed files wait as objects unless the user says otherwise, and a permission that this needs is
// found to be missing at once.
func TestFilesWaitAsObjectsWhereUploadsAreNotListed(t *testing.T) {
	for server, copies := range map[string]bool{shared.MinIO(t).Endpoint(): true, shared.Versity(t).Endpoint(): false} {
		s, f := place{endpoint: server}.inBucket(t, Options{}, nil)
		if s.bucket.copies != copies || driver.TraitsOf(s).HidesAll {
			t.Errorf("%s: files wait as objects: %v, and staging hides: %v", server, s.bucket.copies, driver.TraitsOf(s).HidesAll)
		}
		f.deny("DeleteObject")
		o := s.bucket.opts
		o.Staging = stagingObjects
		if _, err := Open(t.Context(), config("minioadmin", canarySecret), s.bucket.name, &o); !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), "_staging/") {
			t.Errorf("opened without the permission to delete: %v, want ErrPermanent", err)
		}
	}
}
