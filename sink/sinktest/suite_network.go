package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Contract: a storage that is not there, such as a bucket that was deleted, is not one without objects. A job that takes it
// for that would begin anew.
func missingStorageIsNoEmptyOne(s *suite) {
	at := s.bench.place
	at.Name += "-not-there"
	raw, err := s.bench.Open(s.T, at)
	if err != nil {
		return
	}
	store := s.bench.watch(s.T, raw)
	if store.Create(s.Context(), s.dir+"k", nil) == nil {
		return // Open makes it
	}
	if _, err := store.Read(s.Context(), s.dir+"k", 1); err == nil || errors.Is(err, fs.ErrNotExist) {
		s.Errorf("Read in a storage that is not there: got %v, want an error other than fs.ErrNotExist", err)
	}
	if _, err := store.Open(s.Context(), s.dir+"k"); err == nil || errors.Is(err, fs.ErrNotExist) {
		s.Errorf("Open in a storage that is not there: got %v, want an error other than fs.ErrNotExist", err)
	}
	err = nil
	for _, e := range store.List(s.Context(), s.dir, "") {
		err = e
	}
	if err == nil {
		s.Error("List of a storage that is not there: got no error")
	}
}

// Contract: an error says what the server said, and no more. A refusal is final; an error of the server or of something
// between may pass. Neither is fs.ErrNotExist or fs.ErrExist, which a job acts on. A call that returns no error is done.
func answersAreNotGuessed(s *suite) {
	var all []func()
	for _, status := range []int{401, 403, 404, 409, 412, 429, 500, 502, 503} {
		for i := range netCalls {
			c := &netCalls[i]
			all = append(all, func() {
				x := s.trial(c, fmt.Sprintf("every request answered with %d", status), 0)
				if x == nil {
					return
				}
				x.front.Spoil(func(int, *http.Request) Fault { return Fault{Kind: Answer, Status: status} })
				err := c.do(x, s.Context())
				x.front.Spoil(nil)
				x.judge(c, status, err)
				if status != http.StatusNotFound || c.name != "Discard" && c.name != "Abort" { // then it was gone, they say
					x.settle(c)
				}
			})
		}
	}
	together(all)
}

// judge checks what a Store made of a status.
func (x *trial) judge(c *netCall, status int, err error) {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		x.check(c, err, fs.ErrExist, fs.ErrNotExist, storage.ErrStagingLost)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, storage.ErrPermanent) {
			x.s.Errorf("%s: %q matches neither fs.ErrPermission nor ErrPermanent: it would be tried again and again", x.name, err)
		}
	case http.StatusNotFound:
		if c.name == "Discard" || c.name == "Abort" {
			return // none there is success
		}
		x.check(c, err, fs.ErrExist)
	case http.StatusConflict:
		x.check(c, err, fs.ErrExist, fs.ErrNotExist, storage.ErrStagingLost)
	case http.StatusPreconditionFailed:
		if c.name == "Create" && errors.Is(err, fs.ErrExist) {
			return // that is what the status says
		}
		x.check(c, err, fs.ErrNotExist, storage.ErrStagingLost)
	default:
		x.check(c, err, final...)
	}
}

// each makes a call again and again, and spoils its first request, its second, and so on, until it has no more.
func each(s *suite, c *netCall, how string, ft Fault) {
	for n := range 10 {
		x := s.trial(c, fmt.Sprintf("request %d %s", n+1, how), timeoutFor(ft))
		if x == nil {
			return
		}
		var hit atomic.Bool
		x.front.Spoil(func(i int, _ *http.Request) Fault {
			if i != n {
				return Fault{}
			}
			hit.Store(true)
			return ft
		})
		err := c.do(x, s.Context())
		if c.name == "Create" && errors.Is(err, fs.ErrExist) { // it may be about our own, if it is there
			err = nil
		}
		x.check(c, err, final...)
		x.settle(c)
		if !hit.Load() || s.Failed() {
			return
		}
	}
}

func timeoutFor(ft Fault) time.Duration {
	if ft.Kind == Silence || ft.Kind == Stall {
		return silent
	}
	return 0
}

// everyCall spoils each request of each call in each of the ways.
func everyCall(s *suite, ways map[string]Fault, only ...string) {
	var all []func()
	for how, ft := range ways {
		for i := range netCalls {
			if c := &netCalls[i]; len(only) == 0 || slices.Contains(only, c.name) {
				all = append(all, func() { each(s, c, how, ft) })
			}
		}
	}
	together(all)
}

// Contract: a call whose reply is lost, late or cut in the middle is done, or fails with an error that may pass; made again
// it is done. Half a reply is none.
func lostRepliesAreSettled(s *suite) {
	everyCall(s, map[string]Fault{
		"carried out, and the connection closed":        {Kind: HangUp, Late: true},
		"carried out, and answered with 503":            {Kind: Answer, Status: http.StatusServiceUnavailable, Late: true},
		"not carried out, and the connection closed":    {Kind: HangUp},
		"not carried out, and answered with 503":        {Kind: Answer, Status: http.StatusServiceUnavailable},
		"carried out, and the answer cut in the middle": {Kind: Cut},
	})
}

// Contract: what is stored is what was given, or there is an error and nothing, also if a bit turns over on the way.
func flippedBitsAreNoticed(s *suite) {
	everyCall(s, map[string]Fault{"has a bit that turned over": {Kind: Flip}}, "Create", "Upload")
}

// Contract: every call ends, also if the server does not answer, or not to the end, and its context has no deadline. The
// reader that Open returns is the exception: its caller bounds it.
func silenceEnds(s *suite) {
	var all []func()
	for i := range netCalls {
		c := &netCalls[i]
		all = append(all, func() { each(s, c, "not answered", Fault{Kind: Silence}) }, func() {
			x := s.trial(c, "no request answered", silent)
			if x == nil {
				return
			}
			x.front.Spoil(func(int, *http.Request) Fault { return Fault{Kind: Silence} })
			err := c.do(x, s.Context())
			x.front.Spoil(nil)
			x.check(c, err, final...)
			x.settle(c)
		})
		if c.name != "Open" {
			all = append(all, func() { each(s, c, "answered by half", Fault{Kind: Stall}) })
		}
	}
	together(all)
}

// Contract: the end of the context ends a call that waits for the server, and the error says so.
func endedContextEndsRequests(s *suite) {
	var all []func()
	for i := range netCalls {
		c := &netCalls[i]
		all = append(all, func() {
			x := s.trial(c, "context ended while the server was silent", 0)
			if x == nil {
				return
			}
			ctx, cancel := context.WithCancel(s.Context())
			defer cancel()
			x.front.Spoil(func(int, *http.Request) Fault {
				cancel()
				return Fault{Kind: Silence}
			})
			err := c.do(x, ctx)
			x.front.Spoil(nil)
			if ctx.Err() != nil && err == nil || err != nil && !errors.Is(err, context.Canceled) {
				s.Errorf("%s: got %v, want context.Canceled", x.name, err)
			}
			x.settle(c)
		})
	}
	together(all)
}

// Contract: a request that is made again has the conditions of the first. Another process takes the key just before a
// request arrives that would write; whether that request is lost, refused or carried out, the other's object stays.
func retriesKeepTheCondition(s *suite) {
	var all []func()
	for how, ft := range map[string]Fault{
		"carried out":          {},
		"lost":                 {Kind: HangUp},
		"answered with 503":    {Kind: Answer, Status: http.StatusServiceUnavailable},
		"answered with 409":    {Kind: Answer, Status: http.StatusConflict},
		"answered with 429":    {Kind: Answer, Status: http.StatusTooManyRequests},
		"silently thrown away": {Kind: Silence},
	} {
		for i := range netCalls {
			c := &netCalls[i]
			if c.name != "Create" && (c.name != "Publish" || s.traits.Overwrites) {
				continue
			}
			all = append(all, func() {
				for n, more := 0, true; more && n < 5; n++ {
					more = takenBefore(s, c, n, how, ft)
				}
			})
		}
	}
	together(all)
}

// takenBefore takes the key before the nth request that may write, and reports whether there was one.
func takenBefore(s *suite, c *netCall, n int, how string, ft Fault) bool {
	x := s.trial(c, fmt.Sprintf("key taken before a request that is %s", how), timeoutFor(ft))
	if x == nil {
		return false
	}
	theirs := []byte("theirs")
	var mu sync.Mutex
	writes, taken := 0, error(nil)
	x.front.Spoil(func(_ int, r *http.Request) Fault {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		if writes++; writes-1 != n {
			return Fault{}
		}
		taken = s.a.Create(s.Context(), s.dir+x.key, theirs)
		return ft
	})
	err := c.do(x, s.Context())
	x.front.Spoil(nil)
	mu.Lock()
	defer mu.Unlock()
	if writes <= n {
		return false
	}
	if taken != nil { // the call had done its work before
		x.check(c, err)
		return true
	}
	if c.name == "Publish" {
		err = s.a.Publish(s.Context(), x.ref)
		if !errors.Is(err, storage.ErrStagingLost) {
			s.Errorf("%s, and then made again: got %v, want ErrStagingLost", x.name, err)
		}
	} else if err == nil {
		s.Errorf("%s: got no error", x.name)
	}
	x.body = theirs
	if err := x.there(); err != nil {
		s.Errorf("%s: the other's object is not there any more: %v", x.name, err)
	}
	return true
}

// Contract: nobody sees anything of a file before its Publish, nor of one that is thrown away, nor half an object, at any
// moment between two requests of a call.
func nothingHalfIsSeen(s *suite) {
	for i := range netCalls {
		c := &netCalls[i]
		if c.done == nil {
			continue
		}
		x := s.trial(c, "looked at after each request", 0)
		if x == nil {
			return
		}
		look := func() {
			got, err := s.a.Read(s.Context(), s.dir+x.key, 1<<20)
			whole := err == nil && len(got) == len(x.body) && (c.name == "Create" || c.name == "Publish")
			if !whole && !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("%s: Read: got %d bytes, %v, want fs.ErrNotExist, or the whole object of a Create or Publish", x.name, len(got), err)
			}
		}
		x.front.Spoil(func(int, *http.Request) Fault { return Fault{Then: look} })
		err := c.do(x, s.Context())
		x.front.Spoil(nil)
		if err != nil {
			s.Errorf("%s: %v", x.name, err)
		}
		x.check(c, err)
	}
}
