package s3

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Wherever a page ends, amid the uploads of one name too, each upload is listed once. versitygw refuses the marker of an
// upload that it gives itself.
func TestUploadsAreListedOnceWhereverAPageEnds(t *testing.T) {
	place := place{"versitygw", shared.Versity(t).Endpoint(), stagingUploads}
	b := inNewBucket(t, place)(t).(*Store).bucket
	var want []string
	for i, n := range []int{1, 5, 1, 2, 3} {
		name := fmt.Sprintf("uploads/%d", i)
		for range n {
			out, err := b.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: &name})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, name+" "+aws.ToString(out.UploadId))
		}
	}
	slices.Sort(want)
	for page := range int32(len(want) + 2) {
		b.page = aws.Int32(page + 1)
		var got []string
		for u, err := range listUploads(t.Context(), b, "uploads/") {
			if err != nil {
				t.Fatalf("pages of %d: %v", page+1, err)
			}
			got = append(got, u.name+" "+u.id)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d uploads, want %d:\n%q\n%q", page+1, len(got), len(want), got, want)
		}
	}
}
