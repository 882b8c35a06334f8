-- The warehouse's bookkeeping. The tables with rows are made by the warehouse itself, one a schema.

-- One row a table: which dataset and partition column a table name stands for.
CREATE TABLE warehouse_table (
    table_name       TEXT PRIMARY KEY,
    dataset          TEXT NOT NULL,
    partition_column TEXT NOT NULL             -- '' for a table without partitions
) WITHOUT ROWID;

-- The type of each column as its schema names it: SQLite's own types (INTEGER, REAL, TEXT) say less.
CREATE TABLE warehouse_column (
    table_name  TEXT NOT NULL,
    column_name TEXT NOT NULL,
    type_name   TEXT NOT NULL,                 -- 'NUMERIC(5, 1)'
    PRIMARY KEY (table_name, column_name)
) WITHOUT ROWID;

-- One row a partition that was ever written, closed or edited. checksum is the partition's token: the fingerprint of all
-- its columns when gamefill wrote it last; a random text, put there by the table's triggers, when somebody else changed
-- a row since; '' without rows. partition_date is '' for the whole of a table without partitions.
CREATE TABLE warehouse_partition (
    table_name     TEXT    NOT NULL,
    partition_date TEXT    NOT NULL,
    generation     INTEGER NOT NULL DEFAULT 0, -- the highest that wrote or closed the partition
    checksum       TEXT    NOT NULL DEFAULT '',
    row_count      INTEGER,                    -- NULL after a change by somebody else
    PRIMARY KEY (table_name, partition_date)
) WITHOUT ROWID;
