-- Times are milliseconds since 1970; 0 means never.

-- The columns are those of the schema for SQLite, and rowid, which gives lists
-- their order, and which every table has there without being told.

-- What a node needs to run agents. The fill factor leaves room on each page, so
-- that a save needs no change of an index; and a table is not compressed, which
-- would cost every save more than the bytes do.
CREATE TABLE agents (
	agent       TEXT COLLATE "C" PRIMARY KEY NOT NULL,
	shard       BIGINT NOT NULL,
	incarnation BIGINT NOT NULL,
	running     BOOLEAN NOT NULL,
	changed     BIGINT NOT NULL,
	mark_boot   BIGINT NOT NULL DEFAULT 0,
	mark_seq    BIGINT NOT NULL DEFAULT 0,
	saved       BYTEA
) WITH (fillfactor = 70);
ALTER TABLE agents ALTER saved SET STORAGE EXTERNAL;
CREATE INDEX agents_running ON agents (shard, agent) WHERE running;

CREATE TABLE snapshots (
	agent TEXT PRIMARY KEY NOT NULL,
	data  BYTEA NOT NULL
);

CREATE TABLE accounts (
	rowid    BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id       TEXT PRIMARY KEY NOT NULL,
	username TEXT NOT NULL,
	email    TEXT NOT NULL,
	password TEXT NOT NULL,
	created  BIGINT NOT NULL,
	updated  BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_username ON accounts (lower(username));
CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));

CREATE TABLE tokens (
	rowid   BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id      TEXT PRIMARY KEY NOT NULL,
	account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	hash    BYTEA NOT NULL UNIQUE,
	refresh BOOLEAN NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX tokens_account ON tokens (account);
CREATE INDEX tokens_expires ON tokens (expires) WHERE expires > 0;

CREATE TABLE login_keys (
	rowid       BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id          TEXT PRIMARY KEY NOT NULL,
	account     TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	description TEXT NOT NULL,
	usages      BIGINT NOT NULL,
	created     BIGINT NOT NULL
);
CREATE INDEX login_keys_account ON login_keys (account);

CREATE TABLE products (
	rowid       BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id          TEXT PRIMARY KEY NOT NULL,
	owner       TEXT NOT NULL REFERENCES accounts,
	creator     TEXT NOT NULL,
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	created     BIGINT NOT NULL,
	updated     BIGINT NOT NULL,
	UNIQUE (owner, name)
);

CREATE TABLE device_groups (
	rowid               BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id                  TEXT PRIMARY KEY NOT NULL,
	product             TEXT NOT NULL REFERENCES products,
	owner               TEXT NOT NULL REFERENCES accounts,
	creator             TEXT NOT NULL,
	type                TEXT NOT NULL,
	name                TEXT NOT NULL,
	description         TEXT NOT NULL,
	region              TEXT NOT NULL,
	env                 TEXT NOT NULL,
	load_after_blessing BOOLEAN NOT NULL,
	production_target   TEXT NOT NULL,
	dut_target          TEXT NOT NULL,
	current             TEXT NOT NULL,
	min_supported       TEXT NOT NULL,
	created             BIGINT NOT NULL,
	updated             BIGINT NOT NULL,
	UNIQUE (product, name)
);
CREATE INDEX device_groups_owner ON device_groups (owner);

CREATE TABLE deployments (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	device_group TEXT NOT NULL REFERENCES device_groups,
	product      TEXT NOT NULL,
	owner        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	version      BIGINT NOT NULL,
	sha          TEXT NOT NULL,
	device_sha   TEXT NOT NULL,
	agent_sha    TEXT NOT NULL,
	description  TEXT NOT NULL,
	origin       TEXT NOT NULL,
	flagger      TEXT NOT NULL,
	tags         TEXT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL,
	device_code  TEXT NOT NULL,
	agent_code   TEXT NOT NULL,
	UNIQUE (device_group, version)
);
CREATE INDEX deployments_created ON deployments (created);

CREATE TABLE devices (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	agent        TEXT NOT NULL UNIQUE,
	owner        TEXT NOT NULL REFERENCES accounts,
	device_group TEXT REFERENCES device_groups,
	name         TEXT NOT NULL,
	key_hash     BYTEA NOT NULL,
	type         TEXT NOT NULL,
	mac          TEXT NOT NULL,
	enrolled     BIGINT NOT NULL,
	changed      BIGINT NOT NULL,
	address      TEXT NOT NULL,
	runtime      TEXT NOT NULL,
	boot         BIGINT NOT NULL,
	incarnation  BIGINT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL
);
CREATE INDEX devices_group ON devices (device_group);
CREATE INDEX devices_owner ON devices (owner);
CREATE INDEX devices_mac ON devices (mac) WHERE mac <> '';

CREATE TABLE webhooks (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	device_group TEXT NOT NULL REFERENCES device_groups ON DELETE CASCADE,
	owner        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	url          TEXT NOT NULL,
	event        TEXT NOT NULL,
	content_type TEXT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL
);
CREATE INDEX webhooks_group ON webhooks (device_group);

-- The cluster. A node's session is raised when it registers and when the others
-- declare it lost. Every transaction of a node holds the shared lock of its row
-- here and has seen its own session in it, so that raising it waits for the
-- transaction that is being made and refuses all later ones.
CREATE TABLE nodes (
	id      TEXT PRIMARY KEY NOT NULL,
	session BIGINT NOT NULL,
	url     TEXT NOT NULL,
	mqtt    TEXT NOT NULL,
	version TEXT NOT NULL,
	started BIGINT NOT NULL
);

-- What a node renews all the time, apart from what its transactions lock. A
-- node without a lease is not part of the cluster.
CREATE TABLE leases (
	node     TEXT PRIMARY KEY NOT NULL,
	session  BIGINT NOT NULL,
	expires  TIMESTAMPTZ NOT NULL,
	load     DOUBLE PRECISION NOT NULL,
	agents   BIGINT NOT NULL,
	draining BOOLEAN NOT NULL
) WITH (fillfactor = 50);

-- Who owns what. The epoch is raised whenever the owner changes.
CREATE TABLE shards (
	shard  INT PRIMARY KEY NOT NULL,
	owner  TEXT NOT NULL DEFAULT '',
	epoch  BIGINT NOT NULL DEFAULT 0,
	target TEXT NOT NULL DEFAULT ''
) WITH (fillfactor = 70);

-- 'shards': how many there are; 'version': raised with every change of shards
-- and of who is a node; 'secret': what nodes know each other by.
CREATE TABLE cluster (
	key   TEXT PRIMARY KEY NOT NULL,
	value TEXT NOT NULL
);

-- One row: the node that plans.
CREATE TABLE planner (
	node    TEXT NOT NULL,
	expires TIMESTAMPTZ NOT NULL
);

INSERT INTO shards (shard) SELECT generate_series(0, 4095);
INSERT INTO cluster (key, value) VALUES ('shards', '4096'), ('version', '0');
INSERT INTO planner (node, expires) VALUES ('', '-infinity');
