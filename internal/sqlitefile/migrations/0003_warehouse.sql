-- The warehouse's bookkeeping. The tables with rows are made by the warehouse itself, one a schema.

-- One row a table: which dataset and partition column a table name belongs to.
CREATE TABLE warehouse_table (
    table_name       TEXT PRIMARY KEY,
    dataset          TEXT NOT NULL,
    partition_column TEXT NOT NULL            -- '' for a table without partitions
) WITHOUT ROWID;

-- One row a partition that was ever written or closed. checksum is the partition's token: the fingerprint of its rows
-- when gamefill wrote it last, replaced by random text by the triggers of the table when somebody else changes a row,
-- '' for a partition without rows. partition_date is '' for the whole of a table without partitions.
CREATE TABLE warehouse_partition (
    table_name     TEXT    NOT NULL,
    partition_date TEXT    NOT NULL,
    generation     INTEGER NOT NULL DEFAULT 0, -- the highest that wrote or closed the partition
    checksum       TEXT    NOT NULL DEFAULT '',
    row_count      INTEGER,                    -- NULL after a change by somebody else
    PRIMARY KEY (table_name, partition_date)
) WITHOUT ROWID;
