package sqlitefile

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// applicationID marks our files in SQLite's header (PRAGMA application_id): the letters "gamf".
const applicationID = 0x67616d66

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one forward step of the schema; the step at index i leads to schema version i+1.
type migration struct {
	name string
	sql  string
}

// migrations are the embedded steps in order. A file whose number is not its place is a mistake of this build.
var migrations = func() []migration {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted by name
	if err != nil {
		panic("sqlitefile: " + err.Error())
	}
	var steps []migration
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			panic("sqlitefile: " + err.Error())
		}
		if !strings.HasPrefix(name, fmt.Sprintf("migrations/%04d_", i+1)) {
			panic("sqlitefile: migration out of order: " + name)
		}
		steps = append(steps, migration{name, string(text)})
	}
	return steps
}()

// createFile is what a new file gets in the transaction of its first migration: the table with its random id.
const createFile = `
CREATE TABLE gamefill_file (id TEXT NOT NULL);
PRAGMA application_id = %d;`

// migrate brings the file to the newest schema version this build knows, one transaction a step. Several processes may
// do so at once: each step looks at the version again under the write lock.
func migrate(ctx context.Context, c *connection, path string, steps []migration) error {
	for {
		version, err := checkOurs(ctx, c, path, len(steps))
		if err != nil || version == len(steps) {
			return err
		}
		if err := migrateOne(ctx, c, path, steps); err != nil {
			return err
		}
	}
}

func migrateOne(ctx context.Context, c *connection, path string, steps []migration) (err error) {
	if err := c.script(ctx, "BEGIN IMMEDIATE"); err != nil {
		return explain(path, err)
	}
	defer func() {
		if err != nil {
			_ = c.script(context.WithoutCancel(ctx), "ROLLBACK") // it may have ended by itself
		}
	}()
	version, err := checkOurs(ctx, c, path, len(steps))
	if err != nil {
		return err
	}
	if version < len(steps) {
		step := steps[version]
		if version == 0 {
			if err := c.script(ctx, fmt.Sprintf(createFile, applicationID)); err != nil {
				return explain(path, err)
			}
			if err := c.script(ctx, "INSERT INTO gamefill_file (id) VALUES ('"+strings.ToLower(rand.Text())+"')"); err != nil {
				return explain(path, err)
			}
		}
		if err := c.script(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: migration %s: %w", path, step.name, explain(path, err))
		}
		if err := c.script(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
			return explain(path, err)
		}
	}
	return explain(path, c.script(ctx, "COMMIT"))
}

// checkOurs returns the schema version of the file, 0 for an empty one, and refuses files that are not ours or newer
// than this build. It changes nothing.
func checkOurs(ctx context.Context, c *connection, path string, newest int) (version int, err error) {
	var id, objects int
	row := c.conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&id, &version, &objects); err != nil {
		return 0, explain(path, err)
	}
	switch {
	case id == 0 && version == 0 && objects == 0:
		return 0, nil
	case id != applicationID || version < 1:
		return 0, foreign.about(path, nil)
	case version > newest:
		return 0, newer.about(path, &NewerVersionError{File: version, Build: newest})
	}
	return version, nil
}
