package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// hourFolder is the folder of an hour below that of its flow.
func (p *place) hourFolder(h time.Time) string {
	s := h.UTC().Format("day=2006-01-02/")
	if p.hour < 24*time.Hour {
		s += h.UTC().Format("hour=15/")
	}
	if p.hour < time.Hour {
		s += h.UTC().Format("minute=04/")
	}
	return s
}

// hourName is the name of an hour's manifest.
func (p *place) hourName(h time.Time) string {
	if p.hour%time.Hour == 0 {
		return h.UTC().Format("2006-01-02T15")
	}
	return h.UTC().Format("2006-01-02T1504")
}

// checkKey checks that a file of a transaction has the name of one, and lies where its flow, kind and hour say.
func (p *place) checkKey(what string, f *file) {
	p.checkFolder(what, f)
	p.r.expect(ownerOf(f.Key) != "", what, "the file %s is not named <owner>-<t>-<n>", f.Key)
}

// checkFolder checks that a file lies where its flow, kind and hour say.
func (p *place) checkFolder(what string, f *file) {
	if !p.r.expect(p.isHour(f.Hour), what, "%s: %s is not the start of an hour", f.Key, f.Hour) {
		return
	}
	first := f.Flow + "/"
	ok := f.Flow != "" && !strings.Contains(f.Flow, "/") && f.Flow[0] != '_' && f.Flow[0] != '.'
	switch f.Kind {
	case "":
		ok = ok && f.Flow != "late" && f.Flow != "dead"
	case "late":
		first = "late/" + first
	case "dead":
		ok = ok && f.Flow == "dead"
	case "note":
		first = "_notes/" + p.name + "/" + first
	case kindPack:
		ok = ok && f.Flow != "late" && f.Flow != "dead"
		name, found := strings.CutPrefix(f.Key, p.root+"packs/"+packHour(f.Hour)+"/")
		p.r.expect(ok && found && packName.MatchString(name), what, "the pack %s of flow %q is not where one of the hour %s is", f.Key, f.Flow, f.Hour)
		return
	default:
		ok = false
	}
	rest, found := strings.CutPrefix(f.Key, p.prefix+first+p.hourFolder(f.Hour))
	p.r.expect(ok && found, what, "the file %s is not in the folder of flow %q, kind %q, hour %s", f.Key, f.Flow, f.Kind, f.Hour)
	levels := strings.Split(rest, "/")
	for _, level := range levels[:len(levels)-1] {
		p.r.expect(isFolder(level) || !found, what, "%s: the folder %q is not how a value is escaped", f.Key, level)
	}
}

func isFolder(level string) bool { return keyFolder.MatchString(level) && !unfit.MatchString(level) }

// isPath tells whether a key path has folders of keys alone.
func isPath(path string) bool {
	for level := range strings.SplitAfterSeq(path, "/") {
		if folder, ok := strings.CutSuffix(level, "/"); level != "" && (!ok || !isFolder(folder)) {
			return false
		}
	}
	return true
}

// kindPack is the kind of a file that is a pack.
const kindPack = "pack"

var packName = regexp.MustCompile(`^[a-z0-9]+-\d+-\d+\.pack$`)

// packHour is the folder of an hour's packs below packs/.
func packHour(h time.Time) string { return h.UTC().Format("2006-01-02T1504") }

// keyFolder is a folder of a key's value: the empty value, one too long, or one without a dot at an end or an underscore
// at the beginning.
var keyFolder = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*=(__HIVE_DEFAULT_PARTITION__|` +
	`_([A-Za-z0-9_.~-]|%[0-9A-F]{2}|[^\x00-\x7f]){1,120}~[0-9a-f]{64}|` +
	`([A-Za-z0-9~-]|%[0-9A-F]{2}|[^\x00-\x7f])(([A-Za-z0-9_.~-]|%[0-9A-F]{2}|[^\x00-\x7f])*([A-Za-z0-9_~-]|%[0-9A-F]{2}|[^\x00-\x7f]))?)$`)

// unfit matches characters beyond ASCII that must be escaped.
var unfit = regexp.MustCompile(`[\x{80}-\x{9f}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{fdd0}-\x{fdef}\x{feff}\x{fff9}-\x{fffb}` +
	`\x{fffe}\x{ffff}\x{e0000}-\x{e007f}` + planeEnds() + `]`)

func planeEnds() string {
	var b strings.Builder
	for plane := 1; plane <= 16; plane++ {
		fmt.Fprintf(&b, `\x{%xfffe}\x{%xffff}`, plane, plane)
	}
	return b.String()
}

var fileName = regexp.MustCompile(`^([a-z0-9]+)-\d+-\d+(\.[^/]*)?$`)

// ownerOf is the ID that a data file's name begins with.
func ownerOf(key string) string {
	if m := fileName.FindStringSubmatch(key[strings.LastIndexByte(key, '/')+1:]); m != nil {
		return m[1]
	}
	return ""
}
