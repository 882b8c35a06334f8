-- The breaker: a run may stop at its first failure, and failures count from when it was last opened, not only resumed.

ALTER TABLE ledger_run RENAME COLUMN resumed_at TO opened_at;
ALTER TABLE ledger_run ADD COLUMN stop_on_first_failure INTEGER NOT NULL DEFAULT 0 CHECK (stop_on_first_failure IN (0, 1));
