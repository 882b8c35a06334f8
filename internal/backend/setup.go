package backend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gamefill/internal/setup"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// Tables are those that a job needs.
type Tables struct {
	Target  []*table.Schema // written by the job
	Sources []*table.Schema // read by the job: filled by an import in a SQLite file, by other pipelines elsewhere
}

// Setup looks at everything that the addresses name and, in mode [setup.Make], makes what is missing. Findings come in
// the order queue, ledger, warehouse; a file that several ports share comes once, where it is named first. What could
// not be found out for one port hides no finding of the others: the error joins all of it.
func Setup(ctx context.Context, a Addresses, tables Tables, mode setup.Mode) (_ []setup.Finding, err error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	s := &settingUp{b: &Backend{files: map[string]*sqlitefile.File{}}, mode: mode, files: map[string]sqliteFile{}}
	defer func() { err = errors.Join(err, s.b.Close()) }()
	var findings []setup.Finding
	var errs []error
	for _, port := range []struct {
		name, address string
		look          func(context.Context, address) ([]setup.Finding, error)
	}{
		{"queue", a.Queue, s.queue},
		{"ledger", a.Ledger, s.ledger},
		{"warehouse", a.Warehouse, func(ctx context.Context, addr address) ([]setup.Finding, error) {
			return s.warehouse(ctx, addr, tables)
		}},
	} {
		addr, err := parse(port.name, port.address)
		if err != nil {
			return nil, err
		}
		more, err := port.look(ctx, addr)
		if findings = append(findings, more...); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", port.name, port.address, err))
		}
	}
	return findings, errors.Join(errs...)
}

// settingUp is one call of Setup.
type settingUp struct {
	b     *Backend
	mode  setup.Mode
	files map[string]sqliteFile // by absolute path
}

func (s *settingUp) queue(ctx context.Context, addr address) ([]setup.Finding, error) {
	if addr.scheme == pubsub {
		q, err := s.b.pubsub(ctx, addr)
		if err != nil {
			return nil, err
		}
		return q.Ensure(ctx, s.mode)
	}
	_, findings, err := s.file(ctx, addr.path)
	return findings, err
}

func (s *settingUp) ledger(ctx context.Context, addr address) ([]setup.Finding, error) {
	if addr.scheme == firestore {
		l, err := s.b.firestore(ctx, addr)
		if err != nil {
			return nil, err
		}
		return l.Ensure(ctx, s.mode)
	}
	_, findings, err := s.file(ctx, addr.path)
	return findings, err
}

func (s *settingUp) warehouse(ctx context.Context, addr address, tables Tables) ([]setup.Finding, error) {
	if addr.scheme == bigquery {
		store, err := s.b.bigquery(ctx, addr, 0)
		if err != nil {
			return nil, err
		}
		return store.Ensure(ctx, tables.Target, tables.Sources, s.mode)
	}
	all := slices.Concat(tables.Target, tables.Sources)
	f, findings, err := s.file(ctx, addr.path)
	if err != nil {
		return findings, err
	}
	if f.missing {
		for _, t := range all {
			findings = append(findings, setup.Finding{Resource: "table " + t.FullName(), State: setup.Missing, Makeable: true})
		}
		return findings, nil
	}
	if f.File == nil {
		return findings, nil
	}
	store, err := sqlitewarehouse.New(ctx, f.File, sqlitewarehouse.Options{})
	if err != nil {
		return findings, err
	}
	more, err := store.Ensure(ctx, all, s.mode)
	return append(findings, more...), err
}

// sqliteFile is what was found at a path: an open file, none, or one that cannot be opened as it is.
type sqliteFile struct {
	*sqlitefile.File // nil when it is not open
	missing          bool
}

// file looks at a SQLite file, which holds the tables of queue and ledger from its start; the second time it has
// nothing to say about it.
func (s *settingUp) file(ctx context.Context, path string) (sqliteFile, []setup.Finding, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return sqliteFile{}, nil, err
	}
	if seen, ok := s.files[absolute]; ok {
		return seen, nil, nil
	}
	s.files[absolute] = sqliteFile{}
	f := setup.Finding{Resource: "SQLite file " + path, State: setup.Present}
	_, err = os.Stat(absolute)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && s.mode != setup.Make {
		s.files[absolute] = sqliteFile{missing: true}
		f.State, f.Makeable = setup.Missing, true
		if _, err := os.Stat(filepath.Dir(absolute)); err != nil {
			f.Makeable, f.Advice = false, "make the directory first"
		}
		return s.files[absolute], []setup.Finding{f}, nil
	}
	file, err := sqlitefile.Open(ctx, path, sqlitefile.Options{ReadOnly: s.mode != setup.Make})
	if errors.Is(err, sqlitefile.ErrOlderVersion) {
		f.State, f.Makeable, f.Seen = setup.Differs, true, "made by an older build"
		return sqliteFile{}, []setup.Finding{f}, nil
	}
	if err != nil {
		return sqliteFile{}, nil, err
	}
	if missing {
		f.State = setup.Created
	}
	s.b.files[absolute] = file
	s.files[absolute] = sqliteFile{File: file}
	return s.files[absolute], []setup.Finding{f}, nil
}
