// Package enrich completes events from a table that is replaced while the job runs, such as countries by IP range or
// prices by article.
//
// A batch of events sees one version of the table. Which version an event meets depends on when it is processed, so a
// replay after a crash may meet a newer one than the first time: what was committed stays, and nothing is written twice.
package enrich
