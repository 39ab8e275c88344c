package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// Publish completes the upload, or copies the object in staging.
func (s *Store) Publish(ctx context.Context, encoded []byte) error {
	var r ref
	err := json.Unmarshal(encoded, &r)
	if staged := strings.HasPrefix(r.Staged, stagingFolder); err != nil || r.Key == "" || staged == (r.Upload != "") {
		return fmt.Errorf("s3: not a reference to a staged file: %w", err)
	}
	if r.Staged != "" {
		err = s.bucket.publish(ctx, &r)
	} else {
		err = s.bucket.complete(ctx, s.bucket.retry, r.Key, r.Upload, r.Parts, &r)
	}
	// Parts that the store does not know any more are as lost as the whole upload, and so is what it only believes to have.
	if err != nil && (notFound(err) || errorCode(err) == "InvalidPart" || errors.Is(err, unseen{})) {
		return &refusal{
			at: fmt.Sprintf("s3: cannot publish %q in bucket %s", r.Key, s.bucket.name), err: err, sentinel: driver.ErrStagingLost,
			hint: "and there is no object of this job under that key. A lifecycle rule or a person may have deleted the staged file or " +
				"the object, or the store may have lost it when it was killed",
		}
	}
	if err != nil {
		return s.bucket.fail("publish", r.Key, err)
	}
	return nil
}

// Staged yields the objects in staging and the incomplete multipart uploads, a request for each 1,000 of all that are in the
// bucket; nothing where files wait as uploads and the store does not list these.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		if s.hidesAll() {
			if err := ctx.Err(); err != nil {
				yield(driver.Staging{}, err)
			}
			return
		}
		for st, err := range stagedObjects(ctx, s.bucket) {
			if !yield(st, err) || err != nil {
				return
			}
		}
		if !s.listsUploads {
			return
		}
		for u, err := range listUploads(ctx, s.bucket, "") {
			if err != nil {
				yield(driver.Staging{}, err)
				return
			}
			key, id := u.name, u.id
			if strings.HasPrefix(key, stagingFolder) { // a long file that is being written
				key, id = keyOfStaged(u.name), u.name+" "+u.id
			}
			if st, ok := stagingOf(key, id); ok && !yield(st, nil) {
				return
			}
		}
	}
}

// Discard aborts the upload or deletes the object in staging. Neither can touch a published file.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	if !strings.HasPrefix(st.ID, stagingFolder) {
		return s.bucket.abort(ctx, st.Key, st.ID)
	}
	if name, id, ok := strings.Cut(st.ID, " "); ok { // names in staging have no spaces
		return s.bucket.abort(ctx, name, id)
	}
	return s.bucket.remove(ctx, st.ID)
}
