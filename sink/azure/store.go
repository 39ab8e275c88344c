package azure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/internal/gather"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Token gets tokens of Microsoft Entra ID, as the credentials of package azidentity do. SharedKey signs with a key of the
	// account. At most one of them may be set. With neither, the container's URL has to carry a shared access signature.
	Token     azcore.TokenCredential
	SharedKey *container.SharedKeyCredential

	// Prefix is put before every key. It is empty, or a key with a slash at its end (driver.CheckPrefix).
	Prefix string

	// BlockBytes is the size of the blocks in which a staged file is sent. Each open file keeps up to two in memory.
	//
	// Defaults to 8 MiB.
	BlockBytes int

	// Attempts is how often a request is tried before its error is returned. Timeout is how long one attempt may take, in
	// addition to what its body needs at 256 KiB/s.
	//
	// Default to 5 and 20 seconds.
	Attempts int
	Timeout  time.Duration

	// HTTP sends the requests.
	//
	// Defaults to a client with the proxies of the environment.
	HTTP *http.Client

	// Logger gets a warning when Open cannot ask what kind of account it is.
	//
	// Defaults to discarding.
	Logger *slog.Logger
}

// Store is a driver.Store on one container. It is safe for concurrent use.
type Store struct {
	box   *box
	spare gather.Spare
}

var _ driver.Store = (*Store)(nil)

// Open makes a Store on the container with that URL, such as https://ACCOUNT.blob.core.windows.net/CONTAINER, which may have a
// shared access signature behind a question mark. It sends two requests, so it finds wrong credentials and names. No error
// and no line of the log has a secret in it.
func Open(ctx context.Context, containerURL string, opts *Options) (*Store, error) {
	o, err := fill(opts)
	if err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	b := &box{opts: o, retry: retry.Requests{Attempts: o.Attempts, Timeout: o.Timeout, Passing: passing}, mostCopied: mostCopied, piece: pieceBlob}
	if b.access, b.name, err = newAccess(containerURL, &o, &b.clock); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	b.opts.Token, b.opts.SharedKey = nil, nil // whoever prints b does not print them
	if err := b.askTime(ctx); err != nil {
		return nil, err
	}
	return &Store{box: b}, b.checkKind(ctx)
}

// Traits say that an upload is not to be seen before it is closed.
func (s *Store) Traits() driver.Traits { return driver.Traits{HidesOpen: true} }

// Now returns the service's clock, which each answer tells. It costs a request if there was none for a minute.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if t, fresh := s.box.clock.Fresh(); fresh {
		return t, ctx.Err()
	}
	if err := s.box.askTime(ctx); err != nil {
		return time.Time{}, err
	}
	return s.box.clock.Now(), nil
}

func fill(opts *Options) (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.BlockBytes = cmp.Or(o.BlockBytes, 8<<20)
	o.Attempts = cmp.Or(o.Attempts, 5)
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	var errs []error
	if o.BlockBytes < 0 || o.BlockBytes > 4000<<20 {
		errs = append(errs, fmt.Errorf("BlockBytes %d is not between 1 and 4000 MiB", o.BlockBytes))
	}
	if o.Attempts < 1 {
		errs = append(errs, fmt.Errorf("Attempts %d is below 1", o.Attempts))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("Timeout %s is negative", o.Timeout))
	}
	if o.Token != nil && o.SharedKey != nil {
		errs = append(errs, errors.New("Token and SharedKey are both set"))
	}
	return o, errors.Join(append(errs, driver.CheckPrefix(o.Prefix))...)
}
