package azure

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/sink/driver"
)

// Publish copies a staged file to its final name and deletes it. Unless the answer to the copy is a plain yes it looks at the
// object under that name.
func (s *Store) Publish(ctx context.Context, encoded []byte) error {
	var r ref
	if err := json.Unmarshal(encoded, &r); err != nil || r.Key == "" || r.Token == "" || r.Staging == "" || strings.Contains(r.Staging, "/") {
		return fmt.Errorf("azure: not a reference to a staged file: %w", err)
	}
	final := s.box.blob(s.box.blobName(r.Key))
	err := s.box.retry.Do(ctx, int(r.Size/copySpeed), func(ctx context.Context) error {
		err := s.box.copy(ctx, final, &r)
		if err == nil {
			return nil
		}
		f, lookErr := s.box.look(ctx, final)
		switch {
		case notFound(lookErr):
			return s.box.missing(ctx, &r, err)
		case lookErr != nil:
			return lookErr
		case f.is(&r):
			return nil
		}
		return fmt.Errorf("%w: another object has the key", driver.ErrStagingLost)
	})
	if err != nil {
		return s.box.fail("publish", r.Key, err)
	}
	return s.box.remove(ctx, r.Staging)
}

// Staged yields the files whose upload has ended.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		for item, err := range s.box.items(ctx, toPrefix(s.box.staging()), "", container.ListBlobsInclude{Metadata: true}) {
			if err != nil {
				yield(driver.Staging{}, s.box.fail("list", s.box.staging(), err))
				return
			}
			id := strings.TrimPrefix(*item.Name, toPrefix(s.box.staging()))
			owner, _, ok := strings.Cut(id, "-")
			text, known := metadata(item.Metadata, finalKey)
			key, err := url.PathUnescape(text)
			if !ok || !known || err != nil {
				continue // not one of ours
			}
			if !yield(driver.Staging{Key: key, Owner: owner, ID: id, Bytes: size(item)}, nil) {
				return
			}
		}
	}
}

// Discard deletes a staged file. Published files have other names.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	if st.ID == "" || strings.Contains(st.ID, "/") {
		return fmt.Errorf("azure: %q is not a staged file", st.ID)
	}
	return s.box.remove(ctx, st.ID)
}
