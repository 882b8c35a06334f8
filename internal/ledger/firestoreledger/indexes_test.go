package firestoreledger

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "write deploy/firestore.indexes.json anew")

const indexFile = "../../../deploy/firestore.indexes.json"

type indexField struct {
	FieldPath string `json:"fieldPath"`
	Order     string `json:"order"`
}

type index struct {
	CollectionGroup string       `json:"collectionGroup"`
	QueryScope      string       `json:"queryScope"`
	Fields          []indexField `json:"fields"`
}

type singleIndex struct {
	Order      string `json:"order"`
	QueryScope string `json:"queryScope"`
}

type override struct {
	CollectionGroup string        `json:"collectionGroup"`
	FieldPath       string        `json:"fieldPath"`
	Indexes         []singleIndex `json:"indexes"`
}

// indexes is the file as the Firebase and Terraform tools read it.
type indexes struct {
	Indexes        []index    `json:"indexes"`
	FieldOverrides []override `json:"fieldOverrides"`
}

// derived is what the list of queries needs. Firestore answers an ordered query with several equality filters by merging
// the indexes of one such field each with the same order, so one index a field is enough for all their combinations. A
// query over a group needs an index of that scope even of a single field.
func derived() indexes {
	const collection, group = "COLLECTION", "COLLECTION_GROUP"
	var all indexes
	for _, s := range shapes {
		if s.newest == "" {
			continue
		}
		scope := collection
		if s.group {
			scope = group
		}
		for _, field := range slices.Concat(s.equal, s.optional) {
			all.Indexes = append(all.Indexes, index{CollectionGroup: s.collection, QueryScope: scope,
				Fields: []indexField{{field, "ASCENDING"}, {s.newest, "DESCENDING"}}})
		}
		if s.group && len(s.equal) == 0 {
			all.FieldOverrides = append(all.FieldOverrides, override{s.collection, s.newest, []singleIndex{
				{"ASCENDING", collection}, {"DESCENDING", collection}, {"DESCENDING", group}}})
		}
	}
	for _, u := range unindexed {
		all.FieldOverrides = append(all.FieldOverrides, override{u.collection, u.field, []singleIndex{}})
	}
	return all
}

func TestCommittedIndexes(t *testing.T) {
	t.Parallel()
	want, err := json.MarshalIndent(derived(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *rewrite {
		if err := os.WriteFile(indexFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(indexFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what the queries need; run this test with -update (-want +got):\n%s", indexFile, diff)
	}
}

// TestNoIndexOfUnindexedFields: an exempt field cannot be filtered by, nor ordered by.
func TestNoIndexOfUnindexedFields(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		for _, u := range unindexed {
			asked := slices.Concat(s.equal, s.optional, []string{s.newest, s.between})
			if s.collection == u.collection && slices.ContainsFunc(asked, func(f string) bool { return strings.Split(f, ".")[0] == u.field }) {
				t.Errorf("a query of %s asks for %s, which has no index", s.collection, u.field)
			}
		}
	}
}
