//go:build ignore

// Generate writes the target table as BigQuery's API has it, for Terraform and for people: columns, partitioning and
// clustering of the one definition that the program has. Every run writes the same bytes:
//
//	go run deploy/schema/generate.go
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
	"strconv"

	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// resource is the part of a Table resource of BigQuery's REST API that a schema decides.
type resource struct {
	TableReference         reference    `json:"tableReference"`
	Description            string       `json:"description"`
	Schema                 schema       `json:"schema"`
	TimePartitioning       partitioning `json:"timePartitioning"`
	RequirePartitionFilter bool         `json:"requirePartitionFilter"`
	Clustering             clustering   `json:"clustering"`
}

type reference struct {
	DatasetID string `json:"datasetId"`
	TableID   string `json:"tableId"`
}

type schema struct {
	Fields []field `json:"fields"`
}

type field struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Mode        string `json:"mode"`
	Description string `json:"description"`
	Precision   string `json:"precision,omitempty"` // the API writes 64-bit integers as text
	Scale       string `json:"scale,omitempty"`
}

type partitioning struct {
	Type  string `json:"type"`
	Field string `json:"field"`
}

type clustering struct {
	Fields []string `json:"fields"`
}

// apiTypes are the names that the API answers with, where they differ from GoogleSQL's; others would show as a change.
var apiTypes = map[table.Type]string{table.INT64: "INTEGER", table.FLOAT64: "FLOAT", table.BOOL: "BOOLEAN",
	table.STRINGS: "STRING"}

func main() {
	path := flag.String("o", "deploy/schema/player_game_summary.json", "file to write")
	check := flag.Bool("check", false, "write nothing; fail if the file is not what would be written")
	flag.Parse()
	want, err := json.MarshalIndent(tableResource(summary.Target), "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	want = append(want, '\n')
	if !*check {
		if err := os.WriteFile(*path, want, 0o644); err != nil {
			log.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(*path)
	if err != nil {
		log.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		log.Fatalf("%s is not what its generator makes: run go run deploy/schema/generate.go", *path)
	}
}

func tableResource(s *table.Schema) resource {
	r := resource{
		TableReference:         reference{s.Dataset, s.Name},
		Description:            "One row per player and game, filled by gamefill one game date at a time.",
		TimePartitioning:       partitioning{"DAY", s.Partition},
		RequirePartitionFilter: s.RequireFilter,
		Clustering:             clustering{s.Cluster},
	}
	for _, c := range s.Columns {
		f := field{Name: c.Name, Type: c.Type.String(), Mode: "NULLABLE", Description: c.Doc}
		if name, ok := apiTypes[c.Type]; ok {
			f.Type = name
		}
		switch {
		case c.Type == table.STRINGS:
			f.Mode = "REPEATED"
		case c.Required:
			f.Mode = "REQUIRED"
		}
		if c.Type == table.NUMERIC && c.Precision > 0 {
			f.Precision, f.Scale = strconv.Itoa(c.Precision), strconv.Itoa(c.Scale)
		}
		r.Schema.Fields = append(r.Schema.Fields, f)
	}
	return r
}
