package bigqueryfake

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	bq "google.golang.org/api/bigquery/v2"
)

// page is where a reader of a fixed list of rows goes on.
type page struct {
	source string
	rows   []row
	next   int
}

// cut takes a page out of rows: from startIndex or pageToken on, at most maxResults rows and Options.MaxPageRows. The
// token is "" when nothing is left. Rows that change between two pages do not show: the pages are of one moment.
func (s *Server) cut(c *call, source string, rows []row) (part []row, token string, err error) {
	limit, start := s.options.MaxPageRows, 0
	if text := c.query.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, "", invalid("Invalid value for maxResults: %q", text)
		}
		limit = min(limit, n)
	}
	if text := c.query.Get("startIndex"); text != "" {
		if start, err = strconv.Atoi(text); err != nil || start < 0 {
			return nil, "", invalid("Invalid value for startIndex: %q", text)
		}
	}
	if text := c.query.Get("pageToken"); text != "" {
		p, ok := s.pages[text]
		if !ok || p.source != source {
			return nil, "", invalid("Invalid page token")
		}
		rows, start = p.rows, p.next
	}
	start = min(start, len(rows))
	end := min(start+limit, len(rows))
	if end < len(rows) && limit > 0 {
		token = base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("page %d", len(s.pages)+1)))
		s.pages[token] = page{source, rows, end}
	}
	return rows[start:end], token, nil
}

func int64Timestamp(c *call) bool { return c.query.Get("formatOptions.useInt64Timestamp") == "true" }

func (s *Server) tabledataList(c *call) (any, error) {
	t, err := s.found(c, "bigquery.tables.getData")
	if err != nil {
		return nil, err
	}
	if t.rowPolicy {
		// Documentation, "Using row-level security with other BigQuery features": tabledata.list needs the TRUE filter.
		return nil, accessDenied("bigquery.rowAccessPolicies.getFilteredData", c.Project, c.Dataset, c.Table)
	}
	fields, rows := t.schema, t.rows(c.Partition, false)
	if text := c.query.Get("selectedFields"); text != "" {
		fields, rows, err = selectFields(t, rows, strings.Split(text, ","))
		if err != nil {
			return nil, err
		}
	}
	part, token, err := s.cut(c, c.ref().String()+"?"+c.query.Get("selectedFields"), rows)
	if err != nil {
		return nil, err
	}
	return &bq.TableDataList{
		Kind: "bigquery#tableDataList", Etag: t.etag(), TotalRows: int64(len(rows)), PageToken: token,
		Rows: wireRows(fields, part, int64Timestamp(c)), ForceSendFields: []string{"TotalRows"},
	}, nil
}

// selectFields narrows rows to columns, in the order of the schema.
func selectFields(t *table, rows []row, names []string) (fields []*bq.TableFieldSchema, narrow []row, err error) {
	var columns []int
	wanted := map[int]bool{}
	for _, name := range names {
		i := field(t.schema, name)
		if i < 0 {
			return nil, nil, invalid("Selected field %s not found in schema", name)
		}
		wanted[i] = true
	}
	for i, f := range t.schema {
		if wanted[i] {
			columns, fields = append(columns, i), append(fields, f)
		}
	}
	return fields, project(t.schema, rows, columns), nil
}

// project narrows rows to columns, given by their index in the schema.
func project(schema []*bq.TableFieldSchema, rows []row, columns []int) []row {
	narrow := make([]row, len(rows))
	for i, r := range rows {
		for _, c := range columns {
			narrow[i] = append(narrow[i], r.cell(c, schema[c]))
		}
	}
	return narrow
}

// insertAll is refused: gamefill never streams. The call is in the audit.
func (s *Server) insertAll(*call) (any, error) {
	return nil, refusal(http.StatusForbidden, "accessDenied", "Access Denied: the fake takes no streaming inserts")
}
