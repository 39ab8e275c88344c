// Package s3 is a sink.Store on Amazon S3 and stores that speak its protocol.
//
// # What it needs
//
// Strong read-after-write consistency and a PutObject that honours If-None-Match; sink.Open probes it. The caller needs
// s3:PutObject, s3:GetObject, s3:ListBucket, s3:AbortMultipartUpload, s3:ListBucketMultipartUploads and
// s3:ListMultipartUploadParts on the bucket, and kms:GenerateDataKey and kms:Decrypt with SSE-KMS. It never deletes what was
// published. s3:GetLifecycleConfiguration lets Open see rules that would delete staged files too early, or a ledger.
//
// # Staging
//
// As what a file waits for its publication is Options.Staging. The two kinds differ in what they cost and in what a store
// has to do right.
//
// An upload is an incomplete multipart upload of the file's key: one request to create it, one for each part of 8 MiB or more,
// one to complete it, which makes the file visible, and one to see that it is. A lifecycle rule that aborts those must wait longer than the longest
// time between a commit and its publication, which includes a stop of the job: see Options.Recovery.
//
// An object lies below <prefix>_staging/: one PutObject for a file that is shorter than a part. Publication looks whether the
// file is in place, copies it there and deletes it in staging, which needs s3:DeleteObject below that prefix. A longer file is
// uploaded in parts and completed there, before the commit. So nothing that was committed depends on a completion. A
// lifecycle rule for that prefix must wait as long as one for uploads.
//
// A control object is one PutObject.
package s3
