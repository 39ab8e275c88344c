package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/driver"
)

// bucket is a bucket and how it is asked. It is safe for concurrent use.
type bucket struct {
	client *s3.Client
	name   string
	opts   Options
	retry  retry.Requests
	clock  steady.Told

	copies  bool          // files wait as objects in staging, not as uploads
	patient s3.HTTPClient // waits for the answer to a copy as long as the attempt may take; nil if the client is the caller's
	staged  deletions     // of what was copied
	page    *int32        // of listings; nil is what the store does
}

func (b *bucket) key(key string) *string { return aws.String(b.opts.Prefix + key) }

func (b *bucket) encryption() (types.ServerSideEncryption, *string) {
	var key *string
	if b.opts.KMSKey != "" {
		key = &b.opts.KMSKey
	}
	return types.ServerSideEncryption(b.opts.Encryption), key
}

// askTime finds out whether the bucket is there, and reads the clock of its store.
func (b *bucket) askTime(ctx context.Context) error {
	var out *s3.HeadBucketOutput
	ask := func(ctx context.Context) (err error) {
		out, err = b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name})
		return err
	}
	err := b.retry.Do(ctx, 0, ask)
	if skewed(err) { // an answer to HEAD has no body that would tell it from a refusal
		err = b.retry.Do(ctx, 0, ask)
	}
	if httpStatus(err) == http.StatusForbidden { // nor would it tell a wrong secret from a permission; an answer to GET does
		if _, why := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(1)}); why != nil {
			err = why
		}
	}
	if err != nil {
		return b.fail("look at the bucket", "", err)
	}
	b.learn(out.ResultMetadata)
	if _, ok := b.clock.Fresh(); !ok {
		return fmt.Errorf("s3: bucket %s: the store's answers have no Date header, so its clock is unknown", b.name)
	}
	return nil
}

func (b *bucket) learn(m smithymiddleware.Metadata) {
	if t, ok := middleware.GetServerTime(m); ok {
		b.clock.Hear(t)
	}
}

// deletes asks the bucket's rules what they would take from us.
func (b *bucket) deletes(ctx context.Context) ([]driver.Deletion, error) {
	if b.opts.Recovery < 0 {
		return nil, nil
	}
	var out *s3.GetBucketLifecycleConfigurationOutput
	err := b.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		out, err = b.client.GetBucketLifecycleConfiguration(ctx,
			&s3.GetBucketLifecycleConfigurationInput{Bucket: &b.name})
		return err
	})
	var api smithy.APIError
	switch {
	case err == nil:
		return b.readRules(out.Rules), nil
	case errors.As(err, &api) && api.ErrorCode() == "NoSuchLifecycleConfiguration":
		return nil, nil
	case ctx.Err() != nil:
		return nil, b.fail("read the lifecycle rules", "", err)
	}
	b.opts.Logger.Warn("cannot read the bucket's lifecycle rules: make sure that none deletes below _onceflow/ or _staging/, or aborts multipart uploads early",
		"bucket", b.name, "needed", b.opts.Recovery, "err", errorCode(err))
	return nil, nil
}

// fail says what was done, to what, then what the store answered, in its own words, with status and request ID; then what
// that may mean. An answer does not tell why: a 403 may be a policy, a key, a clock, or an object that is not there. The
// SDK's own text holds no credentials; it is kept, since it names the host.
func (b *bucket) fail(doing, key string, err error) error {
	at := "s3: cannot " + doing
	if key != "" {
		at += fmt.Sprintf(" %q", key)
	}
	at += " in bucket " + b.name
	hint := ""
	switch errorCode(err) {
	case "NoSuchBucket":
		hint = "the bucket may not exist, or be in another account's or region's hands"
	case "Forbidden", "Unauthorized": // of an answer without a body, as to HEAD
		hint = "the store does not say why: the secret may be wrong or have been changed, or the credentials, a policy of the bucket, or the key for " +
			"encryption may not allow it"
	case "AccessDenied":
		hint = "the credentials, a policy of the bucket, or the key for encryption may not allow it; what is needed is in the package comment"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidTokenId": // the last is MinIO's
		hint = "the secret may be wrong or have been changed, or the store does not know these credentials; permissions do not matter. Or " +
			"something on the way has changed the request"
	case "KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.InvalidStateException", "KMS.NotFoundException", "KMS.InvalidKeyUsageException":
		hint = "the key for encryption may be disabled, about to be deleted, or not there"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "MovedPermanently", "BadRequest":
		hint = "the bucket may be in another region than the configuration says"
	default:
		if notFound(err) && key == "" {
			hint = "the bucket may not exist"
		}
	}
	switch {
	case hint != "":
		return &refusal{at: at, hint: hint, err: err, sentinel: driver.ErrPermanent}
	case notFound(err):
		return &refusal{at: at, err: err, sentinel: fs.ErrNotExist}
	}
	return fmt.Errorf("%s: %w", at, err)
}
