// Command verify checks an output folder or bucket from outside. It shares no code with the library: it was written from
// docs/format.md alone, reads the ledger, manifests, seals and files, counts rows and checksums again, folds the ledger by
// itself, and compares. The rows of merged files it compares with those of their packs, as long as these are there.
//
//	go run ./examples/verify DIR [-job NAME]
//	go run ./examples/verify s3://BUCKET/PREFIX [-job NAME] [-endpoint URL]
//	go run ./examples/verify gs://BUCKET/PREFIX [-job NAME] [-endpoint URL]
//
// PREFIX is that of the store's options, with the slash at its end; DIR is what the store was opened on. For S3 the
// credentials come from where the AWS tools take them; they need s3:ListBucket and s3:GetObject, and
// s3:ListBucketMultipartUploads to tell files that are lost from those that are not published yet. For Google Cloud Storage
// an access token is taken from $GOOGLE_OAUTH_ACCESS_TOKEN, as `gcloud auth print-access-token` prints it, else from the
// metadata server that machines of Google have; it needs storage.objects.list and get.
//
// It prints what it checked and exits with 0; with 1 after the first violations, each with its place; or with 2 if it
// could not check. It only reads. A job may run meanwhile: what it has not finished yet is not held against it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	job := flags.String("job", "", "check this job only; default: all jobs of the folder")
	most := flags.Int("max", 20, "print so many violations")
	endpoint := flags.String("endpoint", "", "URL of a store that speaks the protocol but is not Amazon's or Google's")
	flags.Usage = func() {
		fmt.Fprintln(errOut, "usage: verify DIR|s3://BUCKET/PREFIX|gs://BUCKET/PREFIX [-job NAME] [-endpoint URL]")
		flags.PrintDefaults()
	}
	place, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	r := &report{out: out, most: *most}
	b, err := open(ctx, place, *endpoint)
	if err == nil {
		err = verify(ctx, b, *job, r)
	}
	if err != nil {
		fmt.Fprintf(errOut, "verify: cannot check %s: %v\n", place, err)
		return 2
	}
	if r.violations > 0 {
		fmt.Fprintf(out, "%d violations\n", r.violations)
		return 1
	}
	if r.unpublished > 0 {
		fmt.Fprintf(out, "all that is published is well; %d files with %s rows are committed and not published yet: a job that runs does it within "+
			"minutes, and stops with an error if they are lost\n", r.unpublished, thousands(r.unpublishedRows))
		return 0
	}
	fmt.Fprintln(out, "all is well")
	return 0
}

// parse takes flags before and after the place.
func parse(flags *flag.FlagSet, args []string) (place string, err error) {
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if place = flags.Arg(0); flags.NArg() > 1 {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return "", err
		}
		if flags.NArg() > 0 {
			place = ""
		}
	}
	if place == "" {
		flags.Usage()
		return "", errors.New("nothing to check")
	}
	return place, nil
}

// open finds the bucket that a place names.
func open(ctx context.Context, place, endpoint string) (bucket.Bucket, error) {
	scheme, rest, remote := strings.Cut(place, "://")
	name, prefix, _ := strings.Cut(rest, "/")
	switch {
	case !remote && endpoint != "":
		return nil, errors.New("-endpoint is for s3:// and gs://")
	case !remote:
		return bucket.Folder(place), nil
	case name == "":
		return nil, errors.New("it names no bucket")
	case scheme == "s3" || scheme == "gs":
		if err := checkPrefix(place, prefix); err != nil {
			return nil, err
		}
	}
	switch scheme {
	case "s3":
		return bucket.OpenS3(ctx, endpoint, name, prefix)
	case "gs":
		return bucket.OpenGCS(endpoint, name, prefix), nil
	}
	return nil, fmt.Errorf("%s:// is none of s3:// and gs://", scheme)
}
