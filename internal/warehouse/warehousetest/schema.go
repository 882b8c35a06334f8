package warehousetest

import (
	"fmt"
	"math"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// kinds is a partitioned table with a column of every type, REQUIRED and NULLABLE, of every role.
func kinds() *table.Schema {
	return &table.Schema{
		Dataset: "suite", Name: "kinds", Partition: "day", Cluster: []string{"name"}, Key: []string{"name", "n"},
		Columns: []table.Column{
			{Name: "day", Type: table.DATE, Required: true},
			{Name: "name", Type: table.STRING, Required: true},
			{Name: "n", Type: table.INT64},
			{Name: "ratio", Type: table.FLOAT64},
			{Name: "amount", Type: table.NUMERIC, Precision: 6, Scale: 2},
			{Name: "big", Type: table.NUMERIC, Precision: 18, Scale: 4},
			{Name: "ok", Type: table.BOOL},
			{Name: "other_day", Type: table.DATE},
			{Name: "at", Type: table.TIMESTAMP},
			{Name: "tags", Type: table.STRINGS},
			{Name: "made_at", Type: table.TIMESTAMP, Role: table.Volatile},
			{Name: "version", Type: table.INT64, Role: table.Volatile},
			{Name: "prop", Type: table.NUMERIC, Precision: 5, Scale: 1, Role: table.Unowned},
		},
	}
}

// plain is a table without partitions.
func plain() *table.Schema {
	return &table.Schema{
		Dataset: "suite", Name: "plain", Key: []string{"id"},
		Columns: []table.Column{
			{Name: "id", Type: table.INT64, Required: true},
			{Name: "season", Type: table.STRING},
			{Name: "label", Type: table.STRING},
		},
	}
}

// The dates of the suite.
var (
	day1 = gamedate.MustParse("2022-01-14")
	day2 = gamedate.MustParse("2022-01-15")
	day3 = gamedate.MustParse("2022-01-16")
	span = gamedate.Range{From: gamedate.MustParse("2022-01-01"), To: gamedate.MustParse("2022-01-31")}
)

// set returns the row with the named columns changed; the rest stays.
func set(s *table.Schema, row table.Row, values map[string]table.Value) table.Row {
	changed := append(table.Row(nil), row...)
	for name, v := range values {
		changed[s.MustIndex(name)] = v
	}
	return changed
}

// numbered returns n rows of kinds for a date; version tells one copy of a partition from another in every row.
func numbered(date gamedate.Date, version, n int) []table.Row {
	s := kinds()
	rows := make([]table.Row, n)
	for i := range rows {
		rows[i] = set(s, make(table.Row, len(s.Columns)), map[string]table.Value{
			"day":     table.Date(date),
			"name":    table.String(fmt.Sprintf("player %03d", i)),
			"n":       table.Int(int64(version)),
			"ratio":   table.Float(float64(i) / 7),
			"amount":  table.Numeric(int64(i*100+version%100), 2),
			"big":     table.Numeric(int64(i)*1_000_003, 4),
			"ok":      table.Bool(i%2 == 0),
			"at":      table.Timestamp(date.Time().Add(time.Duration(i) * time.Minute)),
			"tags":    table.Strings([]string{"a", fmt.Sprint(i)}),
			"version": table.Int(int64(version)),
		})
	}
	return rows
}

// extremes are rows that hold the ends of every type and the values that stores are known to bend.
func extremes(date gamedate.Date) []table.Row {
	s := kinds()
	texts := []string{"", " ", "NULL", "null", "0", "1e3", "007", "2022-01-15", "true", "O'Neal \"Shaq\"; --",
		"a,b\tc\nd\r\ne", "Dončić", "ｗｉｄｅ", "e\u0301", "🏀", "\\N", "\\u0000", "{\"a\":1}"}
	ints := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1, -1<<53 - 1, 255, 256, 1 << 31, -1 << 31}
	floats := []float64{0, 1, -1, 0.1, 1.0 / 3, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e15, 1e16,
		123456789.125, 5e-324, 2.2250738585072014e-308}
	amounts := []int64{0, 1, -1, 10, 100, 999999, -999999, 29, 57, 115, 3650, 110}
	bigs := []int64{0, 1, -1, 999999999999999999, -999999999999999999, 100000000000000001, 123456789012345678}
	days := []string{"1946-11-01", "2079-12-31", "2024-02-29", "2000-01-01"}
	times := []time.Time{
		time.Unix(0, 0), time.Unix(0, 1000), time.Unix(-1, 999_999_000), time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2024, 3, 10, 2, 30, 0, 500_000, time.FixedZone("", -5*3600)),
	}
	lists := [][]string{{""}, {"", ""}, {"a"}, {"a", "b"}, {"b", "a"}, {"a,b"}, {"\"", "'", "\\", "\n", "<&>", "\u2028"},
		{"Jokić", "🏀"}}
	n := max(len(texts), len(ints), len(floats), len(amounts), len(bigs), len(times), len(lists))
	rows := []table.Row{
		set(s, make(table.Row, len(s.Columns)),
			map[string]table.Value{"day": table.Date(date), "name": table.String("all NULL")})}
	for i := range n {
		rows = append(rows, set(s, make(table.Row, len(s.Columns)), map[string]table.Value{
			"day":       table.Date(date),
			"name":      table.String(texts[i%len(texts)]),
			"n":         table.Int(ints[i%len(ints)]),
			"ratio":     table.Float(floats[i%len(floats)]),
			"amount":    table.Numeric(amounts[i%len(amounts)], 2),
			"big":       table.Numeric(bigs[i%len(bigs)], 4),
			"ok":        table.Bool(i%3 == 0),
			"other_day": table.Date(gamedate.MustParse(days[i%len(days)])),
			"at":        table.Timestamp(times[i%len(times)]),
			"tags":      table.Strings(lists[i%len(lists)]),
			"made_at":   table.Timestamp(times[(i+1)%len(times)]),
			"version":   table.Int(int64(i)),
			"prop":      table.Numeric(int64(i)*-5, 1),
		}))
	}
	return rows
}

// items returns rows of plain with the given ids, all of one season.
func items(season, label string, ids ...int64) []table.Row {
	var rows []table.Row
	for _, id := range ids {
		row := table.Row{table.Int(id), table.String(season), table.String(label)}
		if season == "" {
			row[1] = table.Null
		}
		rows = append(rows, row)
	}
	return rows
}
