package bigquerywarehouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// pageRows is the size of a page of tabledata.list. A partition has 150 to 450 rows; one that does not fit a page is
// not what this program is for.
const pageRows = 10_000

// readTries bounds how often a partition is read again because it changed between two looks.
const readTries = 20

// Read implements [warehouse.Partitions]. A partition that changes while it is read is read again, so the rows are
// those of its token.
func (s *Store) Read(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error) {
	p, err := s.read(ctx, t, date)
	if err != nil {
		return warehouse.Partition{}, fmt.Errorf("read %s: %w", partitionName(t, date), err)
	}
	return p, nil
}

// Measure implements [warehouse.Partitions].
func (s *Store) Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Measure, error) {
	p, err := s.read(ctx, t, date)
	if err != nil {
		return warehouse.Measure{}, fmt.Errorf("measure %s: %w", partitionName(t, date), err)
	}
	return warehouse.Measure{Rows: len(p.Rows), Fingerprint: t.Fingerprint(p.Rows), Token: p.Token}, nil
}

func (s *Store) read(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error) {
	if err := ctx.Err(); err != nil {
		return warehouse.Partition{}, err
	}
	for range readTries {
		before, err := s.look(ctx, t, date)
		if err != nil {
			return warehouse.Partition{}, err
		}
		if err := readable(t, before.meta); err != nil {
			return warehouse.Partition{}, err
		}
		if before.meta.StreamingBuffer != nil {
			return s.readStreamed(ctx, t, date, before)
		}
		if before.rows == 0 {
			return warehouse.Partition{}, nil
		}
		rows, err := s.rows(ctx, t, date, before)
		if err != nil {
			return warehouse.Partition{}, err
		}
		after, err := s.look(ctx, t, date)
		if err != nil {
			return warehouse.Partition{}, err
		}
		if after.token == before.token && after.meta.StreamingBuffer == nil {
			if uint64(len(rows)) != after.rows {
				return warehouse.Partition{},
					failure.MarkEnvironment(
						fmt.Errorf("%d rows are there and %d are shown to this account: look for row access policies",
							after.rows, len(rows)), "hidden_rows")
			}
			return warehouse.Partition{Rows: rows, Token: before.token}, nil
		}
	}
	return warehouse.Partition{}, failure.Mark(errors.New("it changes faster than it can be read"),
		failure.Transient, "changing")
}

// rows reads a partition, or a table without partitions, the cheapest way.
func (s *Store) rows(ctx context.Context, t *table.Schema, date gamedate.Date, v view) (rows []table.Row, err error) {
	if t.Partition == "" {
		err = s.query(ctx, t, statement.Statement{Name: statement.ReadTable, Table: v.live, Columns: present(t, v.meta)}, nil,
			func(row table.Row) error { rows = append(rows, row); return nil })
		return rows, err
	}
	return s.list(ctx, t, date, v)
}

// list reads a partition by its decorator, without a job.
func (s *Store) list(ctx context.Context, t *table.Schema, date gamedate.Date, v view) (rows []table.Row, err error) {
	d := newDecoder(t, v.meta.Schema)
	err = s.listed(ctx, t, date, v, func(values []bigquery.Value) error {
		row, err := d.row(values)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// listed hands each row of a partition to fn: all live columns in their order.
func (s *Store) listed(ctx context.Context, t *table.Schema, date gamedate.Date, v view,
	fn func([]bigquery.Value) error) error {
	return s.bound(ctx, func(ctx context.Context) error {
		it := s.partitionHandle(v.live, date).Read(ctx)
		it.Schema = v.meta.Schema
		it.PageInfo().MaxSize = pageRows
		for n := 0; ; n++ {
			var values []bigquery.Value
			err := it.Next(&values)
			switch {
			case errors.Is(err, iterator.Done):
				return nil
			case err != nil:
				return s.explain(err, t)
			case n == 0 && it.PageInfo().Token != "":
				return failure.MarkPermanent(fmt.Errorf("more than a page of %d rows", pageRows), "partition_too_large")
			}
			if err := fn(values); err != nil {
				return err
			}
		}
	})
}

// readStreamed reads a partition while rows of its table are in the streaming buffer, which tabledata.list does not
// show. Neither does the time of last change tell of them, so the token is the content's own.
func (s *Store) readStreamed(ctx context.Context, t *table.Schema, date gamedate.Date,
	v view) (warehouse.Partition, error) {
	st := statement.Statement{Name: statement.ReadTable, Table: v.live, Columns: present(t, v.meta)}
	var params []bigquery.QueryParameter
	if t.Partition != "" {
		st.Name, st.Partition = statement.ReadRange, t.Partition
		params = dateParameters(gamedate.Range{From: date, To: date})
	}
	var p warehouse.Partition
	if err := s.query(ctx, t, st, params,
		func(row table.Row) error { p.Rows = append(p.Rows, row); return nil }); err != nil {
		return warehouse.Partition{}, err
	}
	if len(p.Rows) > 0 {
		p.Token = warehouse.Token("buffer-" + everything(t).Fingerprint(p.Rows))
	}
	return p, nil
}

// everything is the schema with every column compared.
func everything(t *table.Schema) *table.Schema {
	all := *t
	all.Columns = slices.Clone(t.Columns)
	for i := range all.Columns {
		all.Columns[i].Role = table.Owned
	}
	return &all
}

// present are the columns of the schema that the live table has.
func present(t *table.Schema, meta *bigquery.TableMetadata) (names []string) {
	for _, c := range t.Columns {
		if field(meta.Schema, c.Name) != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// dateParameters are the bounds of a range as the statements take them.
func dateParameters(r gamedate.Range) []bigquery.QueryParameter {
	parameter := func(name string, d gamedate.Date) bigquery.QueryParameter {
		return bigquery.QueryParameter{Name: name, Value: &bigquery.QueryParameterValue{
			Type: bigquery.StandardSQLDataType{TypeKind: "DATE"}, Value: d.String()}}
	}
	return []bigquery.QueryParameter{parameter("from", r.From), parameter("to", r.To)}
}

// newQuery makes the query of a statement: location named, cost bounded, no cached results.
func (s *Store) newQuery(st statement.Statement, params []bigquery.QueryParameter) (*bigquery.Query, error) {
	sql, err := st.SQL()
	if err != nil {
		return nil, failure.MarkEnvironment(err, schemaMismatch)
	}
	q := s.client.Query(sql)
	q.Parameters, q.Location, q.DisableQueryCache, q.MaxBytesBilled = params, s.options.Location, true,
		s.options.MaxBytesBilled
	q.Labels = map[string]string{"statement": string(st.Name)}
	return q, nil
}

// values runs a statement and hands each row of its result to fn. Every page has its own deadline; fn may take its
// time.
func (s *Store) values(ctx context.Context, t *table.Schema, st statement.Statement, params []bigquery.QueryParameter,
	fn func(schema bigquery.Schema, values []bigquery.Value) error) error {
	q, err := s.newQuery(st, params)
	if err != nil {
		return err
	}
	if err := s.options.Reach.Check(ctx); err != nil {
		return err
	}
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	deadline := time.AfterFunc(s.options.CallTimeout, cancel)
	defer deadline.Stop()
	fail := func(err error) error {
		if parent.Err() != nil {
			return parent.Err()
		}
		if ctx.Err() != nil {
			err = context.DeadlineExceeded // of this page
		}
		return s.explain(fmt.Errorf("%s: %w", st.Name, err), t)
	}
	it, err := q.Read(ctx)
	if err != nil {
		return fail(err)
	}
	defer s.meter(parent, it)
	for {
		deadline.Reset(s.options.CallTimeout)
		var values []bigquery.Value
		err := it.Next(&values)
		switch inTime := deadline.Stop(); {
		case errors.Is(err, iterator.Done):
			return nil
		case err != nil:
			return fail(err)
		case !inTime:
			return fail(context.DeadlineExceeded)
		}
		if err := fn(it.Schema, values); err != nil {
			return err
		}
	}
}

// meterWithin bounds the question what a query was billed, which nothing waits for but the count.
const meterWithin = 5 * time.Second

// meter counts a query and what it was billed. A call that has its rows does not fail because nobody says so.
func (s *Store) meter(ctx context.Context, it *bigquery.RowIterator) {
	ctx, cancel := context.WithTimeout(ctx, meterWithin)
	defer cancel()
	billed, measured := int64(0), int64(0)
	if job := it.SourceJob(); job != nil {
		if status, err := job.Status(ctx); err == nil && status.Statistics != nil {
			if details, ok := status.Statistics.Details.(*bigquery.QueryStatistics); ok {
				billed, measured = details.TotalBytesBilled, 1
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries.Jobs, s.queries.Billed, s.queries.Measured = s.queries.Jobs+1, s.queries.Billed+
		billed, s.queries.Measured+measured
}

// Queries implements [warehouse.Metered]: the queries that read. Loads from files end in a script of their own, which
// is not among them.
func (s *Store) Queries() warehouse.Queries {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

// query is values with rows of a schema.
func (s *Store) query(ctx context.Context, t *table.Schema, st statement.Statement, params []bigquery.QueryParameter,
	fn func(table.Row) error) error {
	var d *decoder
	return s.values(ctx, t, st, params, func(schema bigquery.Schema, values []bigquery.Value) error {
		if d == nil {
			d = newDecoder(t, schema)
		}
		row, err := d.row(values)
		if err != nil {
			return err
		}
		return fn(row)
	})
}

// ReadRange implements [warehouse.Tables] with one query, whose result is streamed page by page.
func (s *Store) ReadRange(ctx context.Context, t *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	if t.Partition == "" {
		p, err := s.Read(ctx, t, gamedate.Date{})
		if err != nil || len(p.Rows) == 0 {
			return err
		}
		return fn(gamedate.Date{}, p.Rows)
	}
	if err := s.readRange(ctx, t, r, fn); err != nil {
		return fmt.Errorf("read %s of %s: %w", t.FullName(), r, err)
	}
	return nil
}

func (s *Store) readRange(ctx context.Context, t *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	v, err := s.look(ctx, t, gamedate.Date{})
	if err != nil {
		return err
	}
	if err := readable(t, v.meta); err != nil {
		return err
	}
	var date gamedate.Date
	var rows []table.Row
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		full := rows
		rows = nil
		return fn(date, full)
	}
	partition := t.MustIndex(t.Partition)
	st := statement.Statement{Name: statement.ReadRange, Table: v.live, Partition: t.Partition,
		Columns: present(t, v.meta)}
	err = s.query(ctx, t, st, dateParameters(r), func(row table.Row) error {
		if d := row[partition].Date(); d != date {
			if err := flush(); err != nil {
				return err
			}
			date = d
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// Tokens implements [warehouse.Tables] with one query of the dataset's partition list. While rows of the table are in
// the streaming buffer no token equals one of a time without: nobody knows which partitions they belong to.
func (s *Store) Tokens(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	tokens, err := s.tokens(ctx, t, r)
	if err != nil {
		return nil, fmt.Errorf("tokens of %s: %w", t.FullName(), err)
	}
	return tokens, nil
}

func (s *Store) tokens(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	tokens := map[gamedate.Date]warehouse.Token{}
	if t.Partition == "" {
		p, err := s.tokenOfWhole(ctx, t)
		if p != warehouse.NoToken {
			tokens[gamedate.Date{}] = p
		}
		return tokens, err
	}
	v, err := s.look(ctx, t, gamedate.Date{})
	if err != nil {
		return nil, err
	}
	streamed := v.meta.StreamingBuffer != nil
	params := []bigquery.QueryParameter{
		{Name: "table", Value: t.Name}, {Name: "from", Value: r.From.Compact()}, {Name: "to", Value: r.To.Compact()},
	}
	err = s.values(ctx, t, statement.Statement{Name: statement.PartitionTokens,
		Table: v.live}, params, func(_ bigquery.Schema, values []bigquery.Value) error {
		id, ok := values[0].(string)
		count, okCount := values[1].(int64)
		millis, okMillis := values[2].(int64)
		if !ok || !okCount || !okMillis {
			return fmt.Errorf("%s: unexpected row %v", statement.PartitionTokens, values)
		}
		if id == statement.Unpartitioned {
			streamed = streamed || count > 0
			return nil
		}
		date, err := compactDate(id)
		if err != nil {
			return fmt.Errorf("partition %q: %w", id, err)
		}
		if token := tokenOf(millis, uint64(count)); token != warehouse.NoToken {
			tokens[date] = token
		}
		return nil
	})
	if streamed {
		for date, token := range tokens {
			tokens[date] = token + "+buffer"
		}
	}
	return tokens, err
}

// tokenOfWhole is the token of a table without partitions.
func (s *Store) tokenOfWhole(ctx context.Context, t *table.Schema) (warehouse.Token, error) {
	v, err := s.look(ctx, t, gamedate.Date{})
	if err != nil {
		return warehouse.NoToken, err
	}
	if v.meta.StreamingBuffer != nil {
		p, err := s.readStreamed(ctx, t, gamedate.Date{}, v)
		return p.Token, err
	}
	return v.token, nil
}

// compactDate reads a partition id, YYYYMMDD.
func compactDate(id string) (gamedate.Date, error) {
	if len(id) != len("20060102") {
		return gamedate.Date{}, errors.New("not a day")
	}
	return gamedate.Parse(id[:4] + "-" + id[4:6] + "-" + id[6:])
}

// Count implements [warehouse.Tables] with one statement. Distinct is 0 when no Keys are asked for.
func (s *Store) Count(ctx context.Context, t *table.Schema, r gamedate.Range,
	g warehouse.Grouping) ([]warehouse.Group, error) {
	groups, err := s.count(ctx, t, r, g)
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", t.FullName(), err)
	}
	slices.SortFunc(groups, func(a, b warehouse.Group) int {
		return cmp.Or(a.Date.Compare(b.Date), slices.Compare(a.Keys, b.Keys))
	})
	return groups, nil
}

// errNoColumn: a caller named a column that the schema does not have.
var errNoColumn = errors.New("no such column")

func (s *Store) count(ctx context.Context, t *table.Schema, r gamedate.Range,
	g warehouse.Grouping) ([]warehouse.Group, error) {
	for _, name := range slices.Concat(g.By, g.Nulls, g.Keys) {
		if t.Index(name) < 0 {
			return nil, fmt.Errorf("%w: %q", errNoColumn, name)
		}
	}
	v, err := s.look(ctx, t, gamedate.Date{})
	if err != nil {
		return nil, err
	}
	if err := readable(t, v.meta); err != nil {
		return nil, err
	}
	st := statement.Statement{Name: statement.CountGroups, Table: v.live, Partition: t.Partition, By: g.By, Keys: g.Keys,
		Nulls:   nullTests(t, g.Nulls),
		Undated: g.Undated && t.Partition != ""}
	var params []bigquery.QueryParameter
	if t.Partition != "" {
		params = dateParameters(r)
	}
	var groups []warehouse.Group
	err = s.values(ctx, t, st, params, func(_ bigquery.Schema, values []bigquery.Value) error {
		group, err := groupOf(t, g, values)
		groups = append(groups, group)
		return err
	})
	return groups, err
}

// nullTests are the tests for NULL of columns.
func nullTests(t *table.Schema, names []string) (tests []statement.Column) {
	for _, name := range names {
		tests = append(tests, statement.Column{Name: name, Repeated: t.Columns[t.MustIndex(name)].Type == table.STRINGS})
	}
	return tests
}

// groupOf reads one row of count_groups.
func groupOf(t *table.Schema, g warehouse.Grouping, values []bigquery.Value) (group warehouse.Group, err error) {
	if t.Partition != "" && !g.Undated {
		date, err := decode(&t.Columns[t.MustIndex(t.Partition)], values[0])
		if err != nil {
			return group, err
		}
		group.Date, values = date.Date(), values[1:]
	}
	for i, name := range g.By {
		key, err := decode(&t.Columns[t.MustIndex(name)], values[i])
		if err != nil {
			return group, err
		}
		group.Keys = append(group.Keys, key.Text())
	}
	var counts []int64
	for _, v := range values[len(g.By):] {
		n, ok := v.(int64)
		if !ok {
			return group, fmt.Errorf("%s: unexpected count %v", statement.CountGroups, v)
		}
		counts = append(counts, n)
	}
	group.Rows, group.Distinct = counts[0], counts[1]
	if len(counts) > 2 {
		group.Nulls = counts[2:]
	}
	return group, nil
}
