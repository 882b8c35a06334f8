-- What a run replaces is kept, and can be put back: an announced write says what it writes over what.

ALTER TABLE ledger_entry ADD COLUMN write_run TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger_entry ADD COLUMN write_fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger_entry ADD COLUMN write_pre_image TEXT NOT NULL DEFAULT '';      -- fingerprint of what the run replaces
ALTER TABLE ledger_entry ADD COLUMN write_pre_image_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_entry ADD COLUMN write_rollback INTEGER NOT NULL DEFAULT 0 CHECK (write_rollback IN (0, 1));
