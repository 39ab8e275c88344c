package driver

import (
	"context"
	"io"
	"iter"
	"time"
)

// Store is a driver of an object store. It is safe for concurrent use, and by several processes on several machines. What
// one of them has written all of them see at once. sinktest.Run checks a Store; package sinktest/example is one to start
// from.
//
// Keys are slash-separated and relative to what the Store was opened on. A Store refuses what CheckKey refuses, and keeps
// every other key byte by byte: also "%", "=", and a dot at the end of a segment, which some services cut off.
//
// # Who tries again
//
// The sink does: it makes each call of a Store again for about ten seconds, unless its error is final, and it goes on with
// most of them after that. So a Store need not. The exceptions are Write and Close of an Upload, which nobody calls again:
// after an error the file is thrown away, and all records of the transaction are read once more. There it pays to repeat a
// request. A request that is repeated has the conditions of the first.
//
// # Who bounds the time
//
// The Store does, for each request, also if ctx has no deadline. Nobody else can: List, Staged and Write take as long as
// there is something. A server that never answers, or stops in the middle of an answer, is an error that may pass. The
// stream of Open is the exception: once it has begun its reader bounds it. If ctx has ended, also in the middle of a request,
// the error matches ctx.Err(), and the call may have had its effect.
//
// # Errors
//
// An error says what the server said, and no more: a guess makes a job act on what is not so. These are final:
//
//   - fs.ErrNotExist: the server said that there is no such object. A bucket that is missing, or a 404 of something between, is
//     not that: a job that saw its ledger gone would begin anew.
//   - fs.ErrExist: the server said that the key has an object. A conflict that may pass is not that.
//   - ErrStagingLost: the server said that neither the staged file nor its object is there. It ends the job.
//   - fs.ErrPermission, ErrPermanent: the server refuses (401, 403), or what the Store was opened on is not there.
//
// Every other error may pass: conflicts (409), throttling (429), failures (5xx), time-outs, broken connections, an answer
// that cannot be read. No error has a password, a token, a signature, or a URL with one. A failure leaves the Store usable.
type Store interface {
	// Create stores body under key if key does not exist; if it does, the error matches fs.ErrExist. Of any number of
	// concurrent calls one succeeds. The object appears whole or not at all. After any other error the object may exist, or
	// not, or come to exist later. The caller settles it by calling Create again with the same bytes, or by Read.
	//
	// fs.ErrExist may be about the caller's own object: if a reply is lost, and the Store or a client below it repeats the
	// request, that meets what the first one has made. Callers compare what is there, so a Store need not; one that does
	// reports success. Create must not retain body. What is stored is what was given, or there is an error: a checksum goes
	// with it.
	Create(ctx context.Context, key string, body []byte) error

	// Read returns the object; the error matches fs.ErrNotExist if there is none. It sees every Create and Publish that
	// returned before it was called. It must refuse a body longer than limit before it reads it into memory. Half a body is
	// an error. What it returns is the caller's.
	Read(ctx context.Context, key string, limit int64) ([]byte, error)

	// Open reads an object as a stream. The error matches fs.ErrNotExist if there is none. The stream ends with an error if
	// the object is not read to its end. ctx lasts until it is closed. Nobody reads after that.
	Open(ctx context.Context, key string) (io.ReadCloser, error)

	// ReadRange returns the length bytes of an object that begin at offset, in one request that transfers no more than these. The
	// error matches fs.ErrNotExist if there is no object; a range that goes beyond its end is an error. offset is not negative
	// and length is positive. What it returns is the caller's. Packs are read with it.
	ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error)

	// Delete deletes an object. It succeeds, too, if there is none. The sink deletes packs, long after their hour was sealed,
	// and package audit what has expired; a job without merged flows needs no permission for it.
	Delete(ctx context.Context, key string) error

	// List yields the objects whose keys begin with prefix and sort after after, in the order of their bytes. It sees every
	// Create and Publish that returned before it was called. It never shows staging, nor what the Store keeps for itself,
	// nor objects of other programs whose names are no keys ([CheckKey]), whatever the prefix. It asks for page after page until there is no more; a listing that ends without an error is
	// whole. Its caller may stop at any object.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]

	// Now is the store's clock, in UTC. It may cost a request. It must not be this machine's: hours close, and the staging of
	// dead processes is swept, by times that processes on many machines compare, and all their handles must have one clock.
	// It may be what an answer said, with the monotonic time that has passed since, if that is less than a minute. If the
	// server does not answer, an error is right and this machine's time is not. A store that all its processes use on one
	// machine, such as a folder, has that machine's clock.
	Now(ctx context.Context) (time.Time, error)

	Stager
}

// Object is an entry of a listing.
type Object struct {
	Key  string
	Size int64
}

// Stager uploads files that stay invisible until published. Staged files are in the store, not in the process: after Close
// has returned, any process can publish them, whatever becomes of the one that staged them. They last until Discard; a Store
// that drops them sooner says so by a Deletion in its Traits.
type Stager interface {
	// Stage starts uploading the file whose final name will be key. ctx stays valid until Close or Abort. Staged must
	// report owner, which is made of lower-case letters and digits. The base name of key starts with owner and a dash, for
	// stores that can recover owner only from the name. most is the size in bytes at which the caller means to end the
	// file, 0 if it does not know. It is a hint, for stores that choose the length of parts before the first: a file may
	// get longer, mostly by less than the caller's last write.
	//
	// Two uploads of one key are two files, also by one owner at one time. Neither has bytes of the other, and what becomes
	// of one is nothing to the other. Whether the key is taken is the business of Publish.
	Stage(ctx context.Context, key, owner string, most int64) (Upload, error)

	// Publish makes a closed file visible under its key, whole and in one step. It succeeds, too, if the file was published
	// before, by whomever, also at the same time; it checks the identity of what is there against ref. The error matches
	// ErrStagingLost if neither staging nor the file exists, as after Abort or Discard, or if another file has the key,
	// since whenever: the key is taken on the condition that it is free. After any other error the file may be visible or
	// not; calling Publish again settles it. What is no ref of this Store is an error. A second request that finds no staging
	// says nothing before the object was looked at, since the reply to the first may be lost.
	Publish(ctx context.Context, ref []byte) error

	// Staged yields all files in staging, closed or not, of this and other processes, each once, page after page.
	Staged(ctx context.Context) iter.Seq2[Staging, error]

	// Discard deletes staging. It succeeds, too, if there is none. It must not touch a published file, nor another upload of
	// the key, and shows the file to nobody, not for a moment. The sweeper calls it for files that no entry of the ledger
	// names or ever can name.
	Discard(ctx context.Context, s Staging) error
}

// Staging is a file that is staged and not published.
type Staging struct {
	Key   string // final name
	Owner string
	ID    string // the store's: upload ID, or staging name; of one file alone
	Bytes int64  // 0 where the store does not tell
}
