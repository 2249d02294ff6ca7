-- Checksums: of a saved table with its mark, of the numbering of posts, of a row of any
-- other table. NULL in the rows of older versions, until they are written again.
ALTER TABLE agents ADD COLUMN sum BIGINT;
ALTER TABLE agents ADD COLUMN posting_sum BIGINT;
ALTER TABLE snapshots ADD COLUMN sum BIGINT;
ALTER TABLE posts ADD COLUMN sum BIGINT;
ALTER TABLE accounts ADD COLUMN sum BIGINT;
ALTER TABLE tokens ADD COLUMN sum BIGINT;
ALTER TABLE login_keys ADD COLUMN sum BIGINT;
ALTER TABLE products ADD COLUMN sum BIGINT;
ALTER TABLE device_groups ADD COLUMN sum BIGINT;
ALTER TABLE deployments ADD COLUMN sum BIGINT;
ALTER TABLE deployments ADD COLUMN code_sum BIGINT;
ALTER TABLE devices ADD COLUMN sum BIGINT;
ALTER TABLE webhooks ADD COLUMN sum BIGINT;
ALTER TABLE libraries ADD COLUMN sum BIGINT;
ALTER TABLE libraries ADD COLUMN code_sum BIGINT;

-- Whether the device's agent has a record, so that a record that is gone is missed.
ALTER TABLE devices ADD COLUMN ran BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE devices SET ran = TRUE WHERE agent IN (SELECT agent FROM agents);

-- By these a node notices that the database is another one, or an older state of it.
CREATE TABLE history (
	database TEXT NOT NULL,   -- its id, made once
	number   BIGINT NOT NULL, -- raised when the database has gone back
	id       TEXT NOT NULL    -- of this history
);

-- How many transactions each node has made. The node remembers the number too.
CREATE TABLE progress (
	node TEXT PRIMARY KEY NOT NULL,
	n    BIGINT NOT NULL
) WITH (fillfactor = 50);

-- The nodes that may still save again what the database has lost.
CREATE TABLE rescuers (
	node  TEXT PRIMARY KEY NOT NULL,
	until TIMESTAMPTZ NOT NULL
);
