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

// committed is what the file should hold.
func committed() indexes {
	var all indexes
	order := func(descending bool) string {
		if descending {
			return "DESCENDING"
		}
		return "ASCENDING"
	}
	scope := func(group bool) string {
		if group {
			return "COLLECTION_GROUP"
		}
		return "COLLECTION"
	}
	for _, n := range compositeIndexes() {
		all.Indexes = append(all.Indexes, index{CollectionGroup: n.collection, QueryScope: scope(n.group),
			Fields: []indexField{{n.equal, order(false)}, {n.newest, order(true)}}})
	}
	for _, n := range fieldIndexes() {
		o := override{n.collection, n.field, []singleIndex{}}
		for _, single := range n.indexes {
			o.Indexes = append(o.Indexes, singleIndex{order(single.descending), scope(single.group)})
		}
		all.FieldOverrides = append(all.FieldOverrides, o)
	}
	return all
}

func TestCommittedIndexes(t *testing.T) {
	t.Parallel()
	want, err := json.MarshalIndent(committed(), "", "  ")
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
			if s.collection == u.collection &&
				slices.ContainsFunc(asked, func(f string) bool { return strings.Split(f, ".")[0] == u.field }) {
				t.Errorf("a query of %s asks for %s, which has no index", s.collection, u.field)
			}
		}
	}
}
