package sim

import (
	"context"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// watched is the store as it really is, behind all faults: it tells the checker of each effect.
type watched struct {
	*sinktest.Memory
	check *checker
}

// Traits say that the clock is to be doubted like a real store's.
func (s *watched) Traits() storage.Traits { return storage.Traits{} }

func (s *watched) Create(ctx context.Context, key string, body []byte) error {
	err := s.Memory.Create(ctx, key, body)
	if err == nil {
		s.check.created(key, body)
	}
	return err
}

func (s *watched) Publish(ctx context.Context, ref []byte) error {
	err := s.Memory.Publish(ctx, ref)
	if err == nil {
		s.check.published(s.RefKey(ref))
	}
	return err
}

func (s *watched) Delete(ctx context.Context, key string) error {
	err := s.Memory.Delete(ctx, key)
	if err == nil {
		s.check.merges.deleted(key)
	}
	return err
}

func (s *watched) Discard(ctx context.Context, st storage.Staging) error {
	err := s.Memory.Discard(ctx, st)
	if err == nil {
		s.check.owners.swept(st)
		s.check.objects.discarded(st.Key)
	}
	return err
}

func (s *watched) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	if err != nil {
		return nil, err
	}
	return &watchedUpload{Upload: up, key: key, check: s.check}, nil
}

type watchedUpload struct {
	storage.Upload
	key   string
	check *checker
	body  []byte
}

func (u *watchedUpload) Write(p []byte) (int, error) {
	n, err := u.Upload.Write(p)
	u.body = append(u.body, p[:n]...)
	return n, err
}

func (u *watchedUpload) Close(ctx context.Context) ([]byte, error) {
	ref, err := u.Upload.Close(ctx)
	if err == nil {
		u.check.objects.staged(u.key, u.body, u)
	}
	return ref, err
}

func (u *watchedUpload) Abort(ctx context.Context) error {
	err := u.Upload.Abort(ctx)
	if err == nil {
		u.check.objects.aborted(u.key, u)
	}
	return err
}
