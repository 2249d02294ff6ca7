-- Checksums: of a saved table with its mark, of the numbering of posts, of a row of any
-- other table. NULL in the rows of older versions, until they are written again.
ALTER TABLE agents ADD COLUMN sum INTEGER;
ALTER TABLE agents ADD COLUMN posting_sum INTEGER;
ALTER TABLE snapshots ADD COLUMN sum INTEGER;
ALTER TABLE posts ADD COLUMN sum INTEGER;
ALTER TABLE accounts ADD COLUMN sum INTEGER;
ALTER TABLE tokens ADD COLUMN sum INTEGER;
ALTER TABLE login_keys ADD COLUMN sum INTEGER;
ALTER TABLE products ADD COLUMN sum INTEGER;
ALTER TABLE device_groups ADD COLUMN sum INTEGER;
ALTER TABLE deployments ADD COLUMN sum INTEGER;
ALTER TABLE deployments ADD COLUMN code_sum INTEGER;
ALTER TABLE devices ADD COLUMN sum INTEGER;
ALTER TABLE webhooks ADD COLUMN sum INTEGER;
ALTER TABLE libraries ADD COLUMN sum INTEGER;
ALTER TABLE libraries ADD COLUMN code_sum INTEGER;

-- Whether the device's agent has a record, so that a record that is gone is missed.
ALTER TABLE devices ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET ran = 1 WHERE agent IN (SELECT agent FROM agents);

-- By these a node notices that the database is another one, or an older state of it.
CREATE TABLE history (
	database TEXT NOT NULL,   -- its id, made once
	number   INTEGER NOT NULL, -- raised when the database has gone back
	id       TEXT NOT NULL    -- of this history
) STRICT;
CREATE TABLE progress (
	node TEXT PRIMARY KEY NOT NULL,
	n    INTEGER NOT NULL
) STRICT;
