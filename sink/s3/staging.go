package s3

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"iter"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/internal/gather"
	"github.com/onceflow/onceflow/sink/driver"
)

// Objects in staging. Their names say which key they are for, with a comma at the end of each part of it, so that no
// pattern for data files and no reader of folders like day=2025-05-01 takes one for data. A key that is too long for that is
// in the object's metadata.
const (
	stagingFolder = "_staging/"
	stagedKey     = "onceflow-key" // metadata: base64, since these are ASCII
	tokenLength   = 26             // of rand.Text

	// mostCopied is the longest object that the protocol copies in one request.
	mostCopied = 5 << 30

	// mostDeleted is how many names the protocol deletes with one request.
	mostDeleted = 1000
)

func tooLong(key string) error {
	return fmt.Errorf("s3: file %q: %w: objects in staging are copied, and copies have at most 5 GiB: make FileBytes smaller", key, driver.ErrPermanent)
}

// stagingName is the name of a file in staging. prefix is the Store's, which counts for the longest name that stores take.
func stagingName(prefix, owner, token, key string) string {
	name := token + "," + strings.ReplaceAll(key, "/", ",/") + ","
	fits := len(prefix)+len(stagingFolder)+len(name) <= driver.MaxKey
	for s := range strings.SplitSeq(name, "/") {
		fits = fits && len(s) <= driver.MaxSegment
	}
	if !fits {
		name = owner + "-" + token
	}
	return stagingFolder + name
}

// keyOfStaged is the key that a name in staging says. It is empty if the name is another program's, or of the kind that
// says none.
func keyOfStaged(name string) (key string) {
	name, ok := strings.CutPrefix(name, stagingFolder)
	_, name, named := strings.Cut(name, ",")
	if !ok || !named || !strings.HasSuffix(name, ",") {
		return ""
	}
	key = strings.ReplaceAll(strings.TrimSuffix(name, ","), ",/", "/")
	if driver.CheckKey(key) != nil {
		return ""
	}
	return key
}

// saysNoKey reports whether a name is one of ours that does not say the key.
func saysNoKey(name string) bool {
	owner, token, ok := strings.Cut(strings.TrimPrefix(name, stagingFolder), "-")
	return ok && driver.CheckOwner(owner) == nil && len(token) == tokenLength && !strings.ContainsAny(token, ",/")
}

// metadata is what an object of r is known by.
func (r *ref) metadata() map[string]string {
	m := map[string]string{tokenKey: r.Token}
	if saysNoKey(r.Staged) {
		m[stagedKey] = base64.RawURLEncoding.EncodeToString([]byte(r.Key))
	}
	return m
}

// put stages a file whole. It gives the memory of body back, unless an attempt that failed may still be reading it.
func (b *bucket) put(ctx context.Context, r *ref, file *gather.Bytes, s *gather.Spare) error {
	sum, attempts := checksum(file), 0
	err := b.retry.ForUploads().Do(ctx, file.Len(), func(ctx context.Context) error {
		attempts++
		in := &s3.PutObjectInput{Bucket: &b.name, Key: b.key(r.Staged), Body: file.Reader(), ChecksumCRC32C: &sum, Metadata: r.metadata()}
		in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
		out, err := b.client.PutObject(ctx, in)
		if err == nil {
			b.learn(out.ResultMetadata)
		}
		return err
	})
	if err != nil {
		return b.fail("stage", r.Key, err)
	}
	if attempts == 1 {
		file.Release(s)
	}
	*file = gather.Bytes{}
	return nil
}

// publish copies a file from staging to its key, unless it is there, and deletes it in staging. No store that was tried
// heeds a condition on a copy, so the key is looked at before. Two that copy at the same time write the same bytes. What
// cannot be deleted stays for the sweeper: the file is published all the same.
func (b *bucket) publish(ctx context.Context, r *ref) error {
	err := b.retry.Do(ctx, int(r.Size/32), func(ctx context.Context) error { // the store copies faster than we send
		if ours, err := b.isOurs(ctx, r.Key, r); ours || err != nil {
			return err
		}
		err := b.copy(ctx, r.Staged, r.Key)
		if err == nil {
			return nil
		}
		return b.settle(ctx, r.Key, r, err)
	})
	if err != nil {
		return err
	}
	b.forget(ctx, r.Staged)
	return nil
}

// forget deletes an object in staging whose file is published. What cannot be deleted stays for the sweeper: the file is
// published all the same.
func (b *bucket) forget(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	b.staged.add(ctx, name, func(names []string) {
		for some := range slices.Chunk(names, mostDeleted) {
			b.deleteAll(ctx, some)
		}
	})
}

// deleteAll deletes objects in staging, with one request if the store has one for several.
func (b *bucket) deleteAll(ctx context.Context, names []string) {
	if len(names) > 1 && !b.staged.oneByOne.Load() {
		in := &s3.DeleteObjectsInput{Bucket: &b.name, Delete: &types.Delete{Quiet: aws.Bool(true)}}
		for _, n := range names {
			in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: b.key(n)})
		}
		_, err := b.client.DeleteObjects(ctx, in)
		if err == nil || ctx.Err() != nil || passing(err) {
			return
		}
		b.staged.oneByOne.Store(true)
	}
	for _, n := range names {
		_, _ = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(n)})
	}
}

// copy copies an object within the bucket, with its metadata.
func (b *bucket) copy(ctx context.Context, from, to string) error {
	source := (&url.URL{Path: b.name + "/" + b.opts.Prefix + from}).EscapedPath()
	in := &s3.CopyObjectInput{Bucket: &b.name, Key: b.key(to), CopySource: aws.String(strings.ReplaceAll(source, "+", "%2B"))}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	out, err := b.client.CopyObject(ctx, in, func(o *s3.Options) {
		if b.patient != nil {
			o.HTTPClient = b.patient
		}
	})
	if err == nil && (out.CopyObjectResult == nil || aws.ToString(out.CopyObjectResult.ETag) == "") {
		return &emptyAnswer{}
	}
	return err
}

// remove deletes an object. None there is success.
func (b *bucket) remove(ctx context.Context, name string) error {
	err := b.retry.Do(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(name)})
		return err
	})
	if err != nil && !notFound(err) {
		return b.fail("delete", name, err)
	}
	return nil
}

// canCopy tries what publication by copies needs. It leaves nothing.
func (b *bucket) canCopy(ctx context.Context) error {
	token := rand.Text()
	r := &ref{Key: stagingFolder + token + "-copy", Token: token, Size: 6, Staged: stagingFolder + token + "-probe"}
	var file gather.Bytes
	file.Add([]byte("probe\n"), new(gather.Spare))
	if err := b.put(ctx, r, &file, new(gather.Spare)); err != nil {
		return err
	}
	if err := b.publish(ctx, r); err != nil {
		return b.fail("copy within", stagingFolder, err)
	}
	for _, name := range []string{r.Staged, r.Key} {
		if err := b.remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// stagedObjects yields the files that wait as objects.
func stagedObjects(ctx context.Context, b *bucket) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		for o, err := range list(ctx, b, stagingFolder, "") {
			if err != nil {
				yield(driver.Staging{}, err)
				return
			}
			key := keyOfStaged(o.Key)
			if saysNoKey(o.Key) {
				if key, err = b.keyInMetadata(ctx, o.Key); err != nil {
					yield(driver.Staging{}, b.fail("look at", o.Key, err))
					return
				}
			}
			if st, ok := stagingOf(key, o.Key); ok {
				st.Bytes = o.Size
				if !yield(st, nil) {
					return
				}
			}
		}
	}
}

// stagingOf is what is staged for a key; not ok if it is another program's.
func stagingOf(key, id string) (st driver.Staging, ok bool) {
	owner, _, ok := strings.Cut(path.Base(key), "-")
	if !ok || driver.CheckKey(key) != nil || driver.CheckOwner(owner) != nil {
		return st, false
	}
	return driver.Staging{Key: key, Owner: owner, ID: id}, true
}

// keyInMetadata is the key of a staged file whose name does not say it; empty if there is none, or not any more.
func (b *bucket) keyInMetadata(ctx context.Context, name string) (key string, err error) {
	err = b.retry.Do(ctx, 0, func(ctx context.Context) error {
		out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(name)})
		if err == nil {
			raw, _ := base64.RawURLEncoding.DecodeString(out.Metadata[stagedKey])
			key = string(raw)
		}
		return err
	})
	if notFound(err) {
		err = nil
	}
	return key, err
}
