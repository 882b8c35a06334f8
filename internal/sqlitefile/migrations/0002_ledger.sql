-- The ledger's tables: runs, entries of game dates, attempts, events and dead letters.
--
-- Instants are integers: microseconds since 1970-01-01 UTC, NULL for none. Game dates are texts YYYY-MM-DD, '' for none.
-- Facts, failures, checks, counts and lists are JSON texts, NULL for none. Truth values are 0 or 1.

-- What a job's ledger belongs to: bound by the first run, never changed.
CREATE TABLE ledger_target (
    job    TEXT PRIMARY KEY,
    target TEXT NOT NULL
) WITHOUT ROWID;

-- One row a run. sequence is the order of creation; revision grows with every change and carries the compare-and-set.
CREATE TABLE ledger_run (
    sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    job            TEXT    NOT NULL,
    revision       INTEGER NOT NULL DEFAULT 1,
    range_from     TEXT    NOT NULL,
    range_to       TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('planning', 'canary', 'awaiting_approval', 'open', 'paused', 'finished', 'cancelled')),
    target         TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    settings       TEXT,
    settings_hash  TEXT    NOT NULL,
    reference_hash TEXT    NOT NULL,
    plan_hash      TEXT    NOT NULL,
    accept         TEXT,
    force          INTEGER NOT NULL CHECK (force IN (0, 1)),
    reason         TEXT    NOT NULL,
    actor          TEXT    NOT NULL,
    hold_writes    INTEGER NOT NULL CHECK (hold_writes IN (0, 1)),
    cause          TEXT    NOT NULL,
    cause_kind     TEXT    NOT NULL,
    resumed_at     INTEGER,
    verdict        TEXT    NOT NULL,
    checks         TEXT,
    counts         TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    finished_at    INTEGER
);

-- At most one run of a job has not ended.
CREATE UNIQUE INDEX ledger_run_open ON ledger_run (job) WHERE state NOT IN ('finished', 'cancelled');
CREATE INDEX ledger_run_job ON ledger_run (job, sequence);

-- The reference snapshot of a run: one gzip stream, cut into chunks of at most 900,000 bytes, numbered from 0.
CREATE TABLE ledger_reference (
    run     TEXT    NOT NULL REFERENCES ledger_run (id),
    chunk   INTEGER NOT NULL,
    content BLOB    NOT NULL CHECK (length(content) <= 900000),
    PRIMARY KEY (run, chunk)
) WITHOUT ROWID;

-- One small row a (job, date): claims and renewals rewrite it, so the facts live apart.
CREATE TABLE ledger_entry (
    job              TEXT    NOT NULL,
    date             TEXT    NOT NULL CHECK (length(date) = 10),
    state            TEXT    NOT NULL CHECK (state IN ('pending', 'leased', 'complete', 'no_games', 'no_schedule', 'dead', 'cancelled', 'rolled_back')),
    run              TEXT    NOT NULL REFERENCES ledger_run (id),
    seq              INTEGER NOT NULL,
    published_seq    INTEGER NOT NULL DEFAULT 0,
    published_at     INTEGER,
    not_before       INTEGER,
    reason           TEXT    NOT NULL,
    generation       INTEGER NOT NULL DEFAULT 0,
    attempt          INTEGER NOT NULL DEFAULT 0,
    spent            INTEGER NOT NULL DEFAULT 0,
    owner            TEXT    NOT NULL DEFAULT '',
    lease_until      INTEGER,
    write_generation INTEGER NOT NULL DEFAULT 0,
    write_id         TEXT    NOT NULL DEFAULT '',
    failure          TEXT,
    dead_published   INTEGER NOT NULL DEFAULT 0 CHECK (dead_published IN (0, 1)),
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (job, date),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
    CHECK (state = 'leased' OR owner = ''),
    CHECK (state = 'pending' OR not_before IS NULL),
    CHECK (state = 'dead' OR dead_published = 0),
    CHECK (published_seq <= seq),
    CHECK (write_generation <= generation)
) WITHOUT ROWID;

-- Counts by state, entries of a run, due entries and expired leases.
CREATE INDEX ledger_entry_run ON ledger_entry (run, state);

-- What the latest completion of a date recorded.
CREATE TABLE ledger_facts (
    job   TEXT NOT NULL,
    date  TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (job, date),
    FOREIGN KEY (job, date) REFERENCES ledger_entry (job, date)
) WITHOUT ROWID;

-- One row a claim that was granted. sequence is the order of the claims.
CREATE TABLE ledger_attempt (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    job        TEXT    NOT NULL,
    date       TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    run        TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    owner      TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    result     TEXT    NOT NULL DEFAULT '' CHECK (result IN ('', 'complete', 'released', 'failed', 'dead', 'expired')),
    failure    TEXT,
    outcome    TEXT    NOT NULL DEFAULT '' CHECK (outcome IN ('', 'replaced', 'unchanged', 'emptied')),
    CHECK ((ended_at IS NULL) = (result = ''))
);

CREATE UNIQUE INDEX ledger_attempt_date ON ledger_attempt (job, date, attempt);
CREATE INDEX ledger_attempt_run ON ledger_attempt (run, sequence);
-- The newest ended attempts of a run: read after each failed attempt.
CREATE INDEX ledger_attempt_ended ON ledger_attempt (run, ended_at, sequence) WHERE ended_at IS NOT NULL;

-- The audit trail.
CREATE TABLE ledger_event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    job      TEXT    NOT NULL,
    run      TEXT    NOT NULL,
    date     TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    message  TEXT    NOT NULL
);

CREATE INDEX ledger_event_job ON ledger_event (job, sequence);
CREATE INDEX ledger_event_run ON ledger_event (job, run, sequence);

-- Messages given up on, by the queue's id of the dead-letter message.
CREATE TABLE ledger_dead_letter (
    id              TEXT    PRIMARY KEY,
    job             TEXT    NOT NULL,
    date            TEXT    NOT NULL,
    run             TEXT    NOT NULL,
    seq             INTEGER NOT NULL,
    body            BLOB,
    attributes      TEXT,
    failure_class   TEXT    NOT NULL,
    failure_stage   TEXT    NOT NULL,
    failure_reason  TEXT    NOT NULL,
    failure_message TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    published_at    INTEGER,
    folded_at       INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'replayed', 'resolved', 'superseded')),
    actor           TEXT    NOT NULL,
    note            TEXT    NOT NULL,
    settled_at      INTEGER
) WITHOUT ROWID;

CREATE INDEX ledger_dead_letter_job ON ledger_dead_letter (job, state, published_at);
CREATE INDEX ledger_dead_letter_run ON ledger_dead_letter (run, state, published_at);

-- Named roles that one process at a time holds.
CREATE TABLE ledger_role (
    role       TEXT    PRIMARY KEY,
    owner      TEXT    NOT NULL,
    held_until INTEGER NOT NULL
) WITHOUT ROWID;
