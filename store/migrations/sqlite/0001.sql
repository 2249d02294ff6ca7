-- Times are milliseconds since 1970; 0 means never.

-- What a node needs to run agents. The blob comes last, so that reading the
-- rest of a row does not walk its overflow pages.
CREATE TABLE agents (
	agent       TEXT PRIMARY KEY NOT NULL,
	incarnation INTEGER NOT NULL,
	running     INTEGER NOT NULL,
	changed     INTEGER NOT NULL,
	mark_boot   INTEGER NOT NULL DEFAULT 0,
	mark_seq    INTEGER NOT NULL DEFAULT 0,
	saved       BLOB
) STRICT;
CREATE INDEX agents_running ON agents (agent) WHERE running;

-- Snapshots are large and short-lived: a table of their own keeps them out of
-- the pages that every save rewrites.
CREATE TABLE snapshots (
	agent TEXT PRIMARY KEY NOT NULL,
	data  BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
	id       TEXT PRIMARY KEY NOT NULL,
	username TEXT NOT NULL UNIQUE COLLATE NOCASE,
	email    TEXT NOT NULL UNIQUE COLLATE NOCASE,
	password TEXT NOT NULL,
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
	id      TEXT PRIMARY KEY NOT NULL,
	account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	hash    BLOB NOT NULL UNIQUE,
	refresh INTEGER NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_account ON tokens (account);
CREATE INDEX tokens_expires ON tokens (expires) WHERE expires > 0;

CREATE TABLE login_keys (
	id          TEXT PRIMARY KEY NOT NULL,
	account     TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	description TEXT NOT NULL,
	usages      INTEGER NOT NULL,
	created     INTEGER NOT NULL
) STRICT;
CREATE INDEX login_keys_account ON login_keys (account);

CREATE TABLE products (
	id          TEXT PRIMARY KEY NOT NULL,
	owner       TEXT NOT NULL REFERENCES accounts,
	creator     TEXT NOT NULL,
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	UNIQUE (owner, name)
) STRICT;

CREATE TABLE device_groups (
	id                  TEXT PRIMARY KEY NOT NULL,
	product             TEXT NOT NULL REFERENCES products,
	owner               TEXT NOT NULL REFERENCES accounts,
	creator             TEXT NOT NULL,
	type                TEXT NOT NULL,
	name                TEXT NOT NULL,
	description         TEXT NOT NULL,
	region              TEXT NOT NULL,
	env                 TEXT NOT NULL,
	load_after_blessing INTEGER NOT NULL,
	production_target   TEXT NOT NULL,
	dut_target          TEXT NOT NULL,
	current             TEXT NOT NULL,
	min_supported       TEXT NOT NULL,
	created             INTEGER NOT NULL,
	updated             INTEGER NOT NULL,
	UNIQUE (product, name)
) STRICT;
CREATE INDEX device_groups_owner ON device_groups (owner);

CREATE TABLE deployments (
	id           TEXT PRIMARY KEY NOT NULL,
	device_group TEXT NOT NULL REFERENCES device_groups,
	product      TEXT NOT NULL,
	owner        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	version      INTEGER NOT NULL,
	sha          TEXT NOT NULL,
	device_sha   TEXT NOT NULL,
	agent_sha    TEXT NOT NULL,
	description  TEXT NOT NULL,
	origin       TEXT NOT NULL,
	flagger      TEXT NOT NULL,
	tags         TEXT NOT NULL,
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL,
	device_code  TEXT NOT NULL,
	agent_code   TEXT NOT NULL,
	UNIQUE (device_group, version)
) STRICT;
CREATE INDEX deployments_created ON deployments (created);

CREATE TABLE devices (
	id           TEXT PRIMARY KEY NOT NULL,
	agent        TEXT NOT NULL UNIQUE,
	owner        TEXT NOT NULL REFERENCES accounts,
	device_group TEXT REFERENCES device_groups,
	name         TEXT NOT NULL,
	key_hash     BLOB NOT NULL,
	type         TEXT NOT NULL,
	mac          TEXT NOT NULL,
	enrolled     INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	address      TEXT NOT NULL,
	runtime      TEXT NOT NULL,
	boot         INTEGER NOT NULL,
	incarnation  INTEGER NOT NULL,
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_group ON devices (device_group);
CREATE INDEX devices_owner ON devices (owner);
CREATE INDEX devices_mac ON devices (mac) WHERE mac <> '';

CREATE TABLE webhooks (
	id           TEXT PRIMARY KEY NOT NULL,
	device_group TEXT NOT NULL REFERENCES device_groups ON DELETE CASCADE,
	owner        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	url          TEXT NOT NULL,
	event        TEXT NOT NULL,
	content_type TEXT NOT NULL,
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_group ON webhooks (device_group);
