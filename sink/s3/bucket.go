package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
)

// lookAtBucket finds out whether the bucket is there and ours to use, and what its rules would take from us.
func (s *Store) lookAtBucket(ctx context.Context) error {
	if err := s.askTime(ctx); err != nil {
		return err
	}
	if s.opts.Recovery < 0 {
		return nil
	}
	var out *s3.GetBucketLifecycleConfigurationOutput
	err := s.retry.do(ctx, 0, func(ctx context.Context) (err error) {
		out, err = s.client.GetBucketLifecycleConfiguration(ctx,
			&s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket})
		return err
	})
	var api smithy.APIError
	switch {
	case err == nil:
		s.deletes, err = s.readRules(out.Rules)
		return err
	case errors.As(err, &api) && api.ErrorCode() == "NoSuchLifecycleConfiguration":
		return nil
	case ctx.Err() != nil:
		return s.fail("read the lifecycle rules", "", err)
	}
	s.opts.Logger.Warn("cannot read the bucket's lifecycle rules: make sure that none deletes below _onceflow/ or aborts multipart uploads early",
		"bucket", s.bucket, "needed", s.opts.Recovery, "err", errorCode(err))
	return nil
}

// canList finds out whether the store lists incomplete uploads by a prefix. MinIO lists those of one key only, so that
// abandoned staging cannot be found there; it drops it by itself a day after it was begun.
func (s *Store) canList(ctx context.Context) (bool, error) {
	u := &upload{s: s, ctx: ctx, ref: ref{Key: "_onceflow/probe-" + rand.Text(), Token: "probe"}}
	if err := u.begin(ctx); err != nil {
		return false, err
	}
	found := false
	for st, err := range s.uploads(ctx, "_onceflow/") {
		if err != nil {
			return false, errors.Join(err, u.Abort(ctx))
		}
		found = found || st.ID == u.ref.Upload
	}
	if !found {
		s.opts.Logger.Warn("the store does not list multipart uploads: what crashed processes staged stays until the "+
			"store drops it by itself, which must not be before a stopped job publishes what it committed",
			"bucket", s.bucket, "needed", s.opts.Recovery)
	}
	return found, u.Abort(ctx)
}

// Now returns the store's clock. It costs a request about once a minute.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if t, fresh := s.clock.get(); fresh {
		return t, ctx.Err()
	}
	if err := s.askTime(ctx); err != nil {
		return time.Time{}, err
	}
	t, _ := s.clock.get()
	return t, nil
}

func (s *Store) askTime(ctx context.Context) error {
	var out *s3.HeadBucketOutput
	ask := func(ctx context.Context) (err error) {
		out, err = s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
		return err
	}
	err := s.retry.do(ctx, 0, ask)
	if skewed(err) { // an answer to HEAD has no body that would tell it from a refusal
		err = s.retry.do(ctx, 0, ask)
	}
	if err != nil {
		return s.fail("look at the bucket", "", err)
	}
	s.learn(out.ResultMetadata)
	if _, ok := s.clock.get(); !ok {
		return fmt.Errorf("s3: bucket %s: the store's answers have no Date header, so its clock is unknown", s.bucket)
	}
	return nil
}

func (s *Store) learn(m smithymiddleware.Metadata) {
	if t, ok := middleware.GetServerTime(m); ok {
		s.clock.set(t)
	}
}
