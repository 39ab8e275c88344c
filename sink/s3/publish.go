package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink/driver"
)

// Publish completes the upload. Whatever the answer was but a plain yes, the object itself says whether it worked: a
// repeat of a completed upload is answered with "no such upload", and an answer may be lost or empty.
func (s *Store) Publish(ctx context.Context, encoded []byte) error {
	var r ref
	if err := json.Unmarshal(encoded, &r); err != nil || r.Key == "" || r.Upload == "" {
		return fmt.Errorf("s3: not a reference to a staged file: %w", err)
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket.name, Key: s.bucket.key(r.Key), UploadId: &r.Upload, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for i, p := range r.Parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{
			PartNumber: aws.Int32(int32(i + 1)), ETag: aws.String(p.ETag), ChecksumCRC32C: aws.String(p.CRC),
		})
	}
	err := s.bucket.retry.do(ctx, 0, func(ctx context.Context) error {
		out, err := s.bucket.client.CompleteMultipartUpload(ctx, in)
		if err == nil && aws.ToString(out.ETag) != "" {
			s.bucket.learn(out.ResultMetadata)
			return nil
		}
		ours, headErr := s.isOurs(ctx, r)
		switch {
		case headErr != nil:
			return headErr // unknown: asked again, if that may pass
		case ours:
			return nil
		case err == nil, exists(err): // no condition was set, so none has failed
			return &emptyAnswer{}
		}
		return err
	})
	// Parts that the store does not know any more are as lost as the whole upload.
	if err != nil && (notFound(err) || errorCode(err) == "InvalidPart") {
		return &refusal{
			at: fmt.Sprintf("s3: cannot publish %q in bucket %s", r.Key, s.bucket.name), err: err, sentinel: driver.ErrStagingLost,
			hint: "and there is no object of this job under that key. A lifecycle rule or a person may have aborted the upload or deleted " +
				"the object, or the store may have lost it",
		}
	}
	if err != nil {
		return s.bucket.fail("publish", r.Key, err)
	}
	return nil
}

// emptyAnswer is a completion whose answer says nothing of use, while the object is not there yet.
type emptyAnswer struct{}

func (*emptyAnswer) Error() string   { return "the store answered without saying what it stored" }
func (*emptyAnswer) Timeout() bool   { return true }
func (*emptyAnswer) Temporary() bool { return true }

// isOurs looks at the object under r.Key. An object of another owner, of another size, or with another checksum is not ours.
func (s *Store) isOurs(ctx context.Context, r ref) (bool, error) {
	out, err := s.bucket.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket.name, Key: s.bucket.key(r.Key)})
	if err != nil {
		if notFound(err) {
			return false, nil
		}
		return false, err
	}
	if out.Metadata[tokenKey] != r.Token || aws.ToInt64(out.ContentLength) != r.Size {
		return false, fmt.Errorf("%w: another object has the key", driver.ErrStagingLost)
	}
	return true, nil
}

// Staged yields the incomplete multipart uploads under the prefix, a request for each 1,000; nothing where the store
// does not list them.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	if !s.listsUploads {
		return func(yield func(driver.Staging, error) bool) {
			if err := ctx.Err(); err != nil {
				yield(driver.Staging{}, err)
			}
		}
	}
	return s.bucket.uploads(ctx, "")
}

// Discard aborts the upload, which cannot touch an object.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	return s.bucket.abort(ctx, st.Key, st.ID)
}
