package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// ParseObject reads one JSON object of columns by name, each a text, number, truth value, list or null. Columns that it
// does not have are NULL; given are the positions of those it has, ascending.
//
// Errors: *ValueError for a name that is no column and for a value that its column cannot hold; else the text is not
// one JSON object.
func (s *Schema) ParseObject(text []byte) (row Row, given []int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("not a JSON object: something follows it")
	}
	row = make(Row, len(s.Columns))
	for name, field := range fields {
		i := s.Index(name)
		if i < 0 {
			return nil, nil, &ValueError{Column: name, Want: "a column of " + s.Name, Got: "an unknown one"}
		}
		given = append(given, i)
		if field == nil {
			continue
		}
		text, err := fieldText(field)
		if err != nil {
			return nil, nil, err
		}
		if row[i], err = s.Columns[i].ParseText(text); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(given)
	return row, given, nil
}

// fieldText is the text of a JSON value as ParseText reads it.
func fieldText(field any) (string, error) {
	switch field := field.(type) {
	case string:
		return field, nil
	case json.Number:
		return field.String(), nil
	case bool:
		return strconv.FormatBool(field), nil
	}
	list, err := json.Marshal(field)
	return string(list), err
}
