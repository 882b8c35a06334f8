package firestoreledger

import (
	"context"
	"maps"
	"slices"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
)

// shape is what a query asks: Firestore answers it only with an index of that shape.
type shape struct {
	collection string
	group      bool     // over all collections of that name, below whatever document
	equal      []string // fields that are always compared for equality
	optional   []string // fields that are compared for equality when the caller asks
	between    string   // field that is bounded on both sides, "" for none
	newest     string   // field whose greatest value comes first, "" for no order
}

// The queries of this package: all of them, so that the indexes can be derived. What has neither an order nor a bound
// is answered from the indexes that Firestore keeps of every field by itself; such results are sorted here.
var (
	entriesOfRange = shape{collection: dates, between: "date"}
	entriesOfRun   = shape{collection: dates, equal: []string{"run"}, optional: []string{"state"}}
	runsOfJob      = shape{collection: runs, equal: []string{"job"}, newest: "created_at"}
	startedFirst   = shape{collection: attempts, group: true, optional: []string{"job", "run", "date"},
		newest: "started_at"}
	endedFirst  = shape{collection: attempts, group: true, optional: []string{"job", "run", "date"}, newest: "ended_at"}
	eventsOfJob = shape{collection: events, equal: []string{"job"}, optional: []string{"run"}, newest: "at"}
	lettersBy   = shape{collection: deadLetters,
		optional: []string{"job", "run", "state", "failure.class", "failure.stage", "failure.reason"}}

	shapes = []shape{entriesOfRange, entriesOfRun, runsOfJob, startedFirst, endedFirst, eventsOfJob, lettersBy}
)

// unindexed are fields that no query looks at and that are long: indexing them would only cost writes.
var unindexed = []struct{ collection, field string }{{dates, "facts"}, {registry, "content"}, {runs, "checks"},
	{runs, "settings"}}

// compared are the fields and values of a query's equality filters.
type compared map[string]string

// set leaves values that are "" out: the caller does not ask for the field.
func (c compared) set(field, value string) compared {
	if value != "" {
		c[field] = value
	}
	return c
}

// query is s over from, which names the collection or the group, with the filters given; limit 0 is none. Filtering by
// a field that the shape does not declare is a programming error, because no index would be there for it.
func (s shape) query(from firestore.Query, equal compared, limit int) firestore.Query {
	q := from
	for _, field := range slices.Sorted(maps.Keys(equal)) {
		if !slices.Contains(s.equal, field) && !slices.Contains(s.optional, field) {
			panic("firestoreledger: query of " + s.collection + " by undeclared field " + field)
		}
		q = q.Where(field, "==", equal[field])
	}
	if s.newest != "" {
		q = q.OrderBy(s.newest, firestore.Desc)
	}
	if limit > 0 {
		q = q.Limit(limit)
	}
	return q
}

// inRange is a query of the shape entriesOfRange.
func (l *Ledger) inRange(jobName string, r gamedate.Range) firestore.Query {
	field := entriesOfRange.between
	return l.jobRef(jobName).Collection(entriesOfRange.collection).Where(field, ">=", r.From.String()).Where(field, "<=",
		r.To.String())
}

// inRun is a query of the shape entriesOfRun; state "" is every one.
func (l *Ledger) inRun(jobName, run, state string) firestore.Query {
	equal := compared{"run": run}.set("state", state)
	return entriesOfRun.query(l.jobRef(jobName).Collection(entriesOfRun.collection).Query, equal, 0)
}

// ask runs a query and returns its documents with the time of the read.
func (l *Ledger) ask(ctx context.Context, q firestore.Query) (documents, error) {
	var snaps []*firestore.DocumentSnapshot
	err := l.again(ctx, func(ctx context.Context) (err error) {
		snaps, err = q.Documents(ctx).GetAll()
		return err
	})
	if err != nil {
		return documents{}, err
	}
	return newDocuments(snaps), nil
}
