package place

import (
	"fmt"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/files"
)

// checkRules refuses a folder in which a rule deletes what a job needs: its ledger, which lies in control, files that may
// not be published yet, and files that a repeated publication looks for.
func checkRules(rules []driver.Deletion, control string, o *Options) error {
	for _, d := range rules {
		when := "at some time"
		if d.After > 0 {
			when = "after " + d.After.String()
		}
		if d.Staging {
			if err := checkStaging(&d, when, o); err != nil {
				return err
			}
			continue
		}
		if d.Hits(control) {
			return fmt.Errorf("%s deletes objects below %q %s, so also the ledger of this job, %s, of which nothing may ever be deleted: "+
				"without its beginning the job could not go on. Limit the rule to the folders of flows, or to another prefix", d.Rule, d.Prefix, when, control)
		}
		if claims := ledger.FlowClaims(o.Prefix); d.Hits(claims) {
			return fmt.Errorf("%s deletes objects below %q %s, so also those that say whose a flow is, %s: another job could then write there. "+
				"Limit the rule to the folders of flows, or to another prefix", d.Rule, d.Prefix, when, claims)
		}
		if folder := hit(&d, o); d.Early && folder != "" {
			return fmt.Errorf("%s deletes files below %q %s, which is sooner than a stopped job may look for those that it has "+
				"committed in %s: make the rule longer, or the Recovery of the store's options shorter if a job is always started again sooner",
				d.Rule, d.Prefix, when, folder)
		}
	}
	return nil
}

// hit returns a folder of the job's files that the rule is for; empty if there is none.
func hit(d *driver.Deletion, o *Options) string {
	if notes := o.Prefix + files.NoteFolder + "/"; d.Hits(notes) {
		return notes
	}
	for _, flow := range o.Flows {
		for _, folder := range []string{o.Prefix + flow + "/", o.Prefix + files.LateFolder + "/" + flow + "/", o.Prefix + files.DeadFolder + "/"} {
			if d.Hits(folder) {
				return folder
			}
		}
	}
	return ""
}

// checkStaging refuses a rule that takes a committed file out of staging before a stopped job publishes it.
func checkStaging(d *driver.Deletion, when string, o *Options) error {
	folder := hit(d, o)
	if !d.Early || folder == "" {
		return nil
	}
	return fmt.Errorf("%s deletes staged files %s, which is sooner than a stopped job may publish those that it has committed for %s: "+
		"make the rule longer if you can, or the Recovery of the store's options shorter if a job is always started again sooner", d.Rule, when, folder)
}
