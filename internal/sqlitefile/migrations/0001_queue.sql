-- The queue's tables: messages waiting or held, and dead letters. Times are microseconds since the Unix epoch, UTC, by
-- the host's clock.

-- One row a message that is not acked.
CREATE TABLE queue_message (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL,            -- random; the message's name for receivers
    topic        TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    attributes   TEXT    NOT NULL,            -- JSON object of texts
    published_at INTEGER NOT NULL,
    visible_at   INTEGER NOT NULL,            -- from when on a receiver may take it: the end of its hold or delay
    holder       TEXT    NOT NULL DEFAULT '', -- random token of the take that holds it, '' when given back
    deliveries   INTEGER NOT NULL DEFAULT 0   -- how often it was taken
);

-- Answers "when is the next message of this topic due" and "which are due" without touching the table.
CREATE INDEX queue_message_due ON queue_message (topic, visible_at);

-- One row a dead letter that is not folded.
CREATE TABLE queue_dead_letter (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL,            -- random
    topic        TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    attributes   TEXT    NOT NULL,            -- JSON object of texts
    published_at INTEGER NOT NULL
);

CREATE INDEX queue_dead_letter_topic ON queue_dead_letter (topic);
