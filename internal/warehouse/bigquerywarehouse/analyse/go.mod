module gamefill/internal/warehouse/bigquerywarehouse/analyse

go 1.26.0

require (
	gamefill v0.0.0
	github.com/goccy/go-googlesql v0.4.0
)

require (
	github.com/agnivade/levenshtein v1.2.2 // indirect
	github.com/goccy/googlesqlwasm2go v0.2.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)

replace gamefill => ../../../..
