-- What a run did first and how that was judged, and who let the rest begin. Both JSON, NULL for none.

ALTER TABLE ledger_run ADD COLUMN sample TEXT CHECK (json_valid(sample));
ALTER TABLE ledger_run ADD COLUMN approval TEXT CHECK (json_valid(approval));
