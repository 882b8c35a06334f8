package firestoreledger

// NeededIndexes is how many findings about indexes there are, NeededFields how many of them are about single fields.
var (
	NeededFields  = len(fieldIndexes())
	NeededIndexes = len(compositeIndexes()) + NeededFields
)
