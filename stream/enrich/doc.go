// Package enrich completes events from a table that is replaced while the job runs, such as countries by IP range or prices
// by article.
//
// All events of a batch see one version of the table. Which version an event meets depends on when it is processed, so a
// replay after a crash may meet a newer one than the first time. What was committed stays, and nothing is written twice.
package enrich
