// Package s3 is a sink.Store on Amazon S3 and stores that speak its protocol.
//
// # What it needs
//
// Strong read-after-write consistency and a PutObject that honours If-None-Match; sink.Open probes it. The caller needs
// s3:PutObject, s3:GetObject, s3:ListBucket, s3:AbortMultipartUpload, s3:ListBucketMultipartUploads and
// s3:ListMultipartUploadParts on the bucket, and kms:GenerateDataKey and kms:Decrypt with SSE-KMS. It never deletes an
// object. s3:GetLifecycleConfiguration lets Open see rules that would abort staged files too early, or delete a ledger.
//
// # What it costs
//
// A file is a multipart upload to its final key: one request to create it, one for each part of 8 MiB or more, and one to
// complete it, which makes it visible. A control object is one PutObject.
//
// # Staging
//
// A staged file is an incomplete multipart upload. A lifecycle rule that aborts those must wait longer than the longest
// time between a commit and its publication, which includes a stop of the job: see Options.Recovery.
package s3
