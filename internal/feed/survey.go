package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"gamefill/internal/gamedate"
)

// sightings are the readings that the lines of one file give one game: nearly always one.
type sightings struct {
	readings []reading
}

// reading is one date and pair of teams of a game, and the lines that say so.
type reading struct {
	game   game
	lines  []int32
	people []string // see Games; counted games only
}

// majority is the reading of most lines, the earlier one of two equals.
func (s *sightings) majority() *reading {
	best := &s.readings[0]
	for i := range s.readings {
		if len(s.readings[i].lines) > len(best.lines) {
			best = &s.readings[i]
		}
	}
	return best
}

// digest stands for a line; half a SHA-256 is far more than telling the lines of a file apart needs.
type digest [16]byte

func digestOf(line []byte) digest {
	sum := sha256.Sum256(line)
	return digest(sum[:16])
}

// survey is the first reading: it fills the report, marks the accepted lines and notes the games.
func (im *importer) survey(ctx context.Context) error {
	im.games = map[string]*sightings{}
	seen, unique := map[digest]struct{}{}, map[string]int{}
	sum, err := im.scan(ctx, 0, func(r *record, line []byte) error {
		im.report.Lines++
		d := digestOf(line)
		if _, repeated := seen[d]; repeated {
			im.report.Repeats++
			return nil
		}
		seen[d] = struct{}{}
		e, bad := im.read(r, line)
		if bad == nil && e.unique != "" {
			if first, taken := unique[e.unique]; taken {
				r.reject(ReasonConflict, "line %d has the key %q too and says something else", first, e.unique)
				bad = r.bad
			} else {
				unique[e.unique] = r.line
			}
		}
		if bad != nil {
			im.reject(*bad)
			return nil
		}
		im.report.Ignored += r.ignored
		if r.restored {
			im.report.Restored++
		}
		im.accepted.set(r.line)
		im.see(r.line, e)
		return nil
	})
	if err != nil {
		return err
	}
	im.sum = sum
	im.settle()
	return nil
}

// read parses one line and checks the row that it makes.
func (im *importer) read(r *record, line []byte) (entry, *Rejection) {
	var e entry
	r.set(r.line, string(line))
	if r.bad == nil {
		e = im.format.parse(r)
	}
	if r.bad == nil {
		if err := im.format.Table.Check(e.row, e.game.date); err != nil {
			r.reject(ReasonRow, "%v", err)
		}
	}
	return e, r.bad
}

// see notes the line's game and dates.
func (im *importer) see(line int, e entry) {
	if !im.format.boxScore {
		im.span(e.game.date)
		im.span(cmp.Or(e.until, e.game.date))
		if e.game.league != "" {
			im.games[e.game.league+e.game.date.String()] = &sightings{readings: []reading{{game: e.game}}}
		}
		return
	}
	s := im.games[e.game.league]
	if s == nil {
		s = &sightings{}
		im.games[e.game.league] = s
	}
	i := slices.IndexFunc(s.readings, func(rd reading) bool { return rd.game == e.game })
	if i < 0 {
		i = len(s.readings)
		s.readings = append(s.readings, reading{game: e.game})
	}
	rd := &s.readings[i]
	rd.lines = append(rd.lines, int32(line))
	if e.game.kind.Counts() {
		rd.people = append(rd.people, strconv.FormatInt(e.person, 10)+" "+e.name)
	}
}

// span widens the dates of the report.
func (im *importer) span(d gamedate.Date) {
	if im.report.First.IsZero() || d.Before(im.report.First) {
		im.report.First = d
	}
	if d.After(im.report.Last) {
		im.report.Last = d
	}
}

// settle chooses one reading per game, rejects the lines of the others and counts what is left.
func (im *importer) settle() {
	dates := map[gamedate.Date]bool{}
	for league, s := range im.games {
		best := s.majority()
		for i := range s.readings {
			if other := &s.readings[i]; other != best {
				for _, line := range other.lines {
					im.accepted.clear(int(line))
					im.reject(Rejection{Line: int(line), Reason: ReasonGame, Detail: fmt.Sprintf(
						"game %s is %s here and %s in %d lines of the file", league, other.game.key(), best.game.key(), len(best.lines))})
				}
			}
		}
		s.readings = []reading{*best}
		dates[best.game.date] = true
		im.span(best.game.date)
	}
	im.report.Dates, im.report.Games = len(dates), len(im.games)
	im.report.Rows = im.report.Lines - im.report.Repeats - im.report.Rejected
	slices.SortFunc(im.report.Rejections, func(a, b Rejection) int { return cmp.Compare(a.Line, b.Line) })
	im.report.Rejections = im.report.Rejections[:min(sampleSize, len(im.report.Rejections))]
}

// reject counts a rejection and keeps it for the sample. More than the sample are kept until the lines of outvoted
// readings are known, so that the sample is the first lines of the file whatever the reasons.
func (im *importer) reject(bad Rejection) {
	im.report.Rejected++
	im.report.RejectedBy[bad.Reason]++
	if len(im.report.Rejections) < sampleSize || bad.Reason == ReasonGame {
		im.report.Rejections = append(im.report.Rejections, bad)
	}
}

// bits is a growing set of small numbers.
type bits []uint64

func (b *bits) set(n int) {
	for n>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n>>6] |= 1 << (n & 63)
}

func (b bits) clear(n int) { b[n>>6] &^= 1 << (n & 63) }

func (b bits) has(n int) bool { return n>>6 < len(b) && b[n>>6]&(1<<(n&63)) != 0 }
