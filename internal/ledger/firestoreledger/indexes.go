package firestoreledger

import "slices"

// composite is an index of two fields: equal ascending, newest descending.
type composite struct {
	collection    string
	group         bool // over all collections of that name
	equal, newest string
}

// fieldOverride replaces what Firestore indexes of one field by itself.
type fieldOverride struct {
	collection, field string
	indexes           []single // none: the field is not indexed
}

// single is an index of one field.
type single struct{ descending, group bool }

// compositeIndexes are what the list of queries needs. Firestore answers an ordered query with several equality filters
// by merging the indexes of one such field each with the same order, so one index a field is enough for all their
// combinations.
func compositeIndexes() (all []composite) {
	for _, s := range shapes {
		if s.newest == "" {
			continue
		}
		for _, field := range slices.Concat(s.equal, s.optional) {
			all = append(all, composite{s.collection, s.group, field, s.newest})
		}
	}
	return all
}

// fieldIndexes are the fields whose indexes are not those that Firestore keeps by itself: a query over a group needs an
// index of that scope even of a single field, and long fields need none. An override replaces the whole set, so those
// of the collection are named again.
func fieldIndexes() (all []fieldOverride) {
	for _, s := range shapes {
		if s.newest != "" && s.group && len(s.equal) == 0 {
			all = append(all,
				fieldOverride{s.collection, s.newest, []single{{}, {descending: true}, {descending: true, group: true}}})
		}
	}
	for _, u := range unindexed {
		all = append(all, fieldOverride{u.collection, u.field, nil})
	}
	return all
}

// stored is the name of a collection as this ledger's documents have it.
func (l *Ledger) stored(collection string) string {
	if collection == dates || collection == registry { // below documents that carry the prefix
		return collection
	}
	return l.prefix + collection
}
