-- Administrators control the installation. The account of an installation of today that does is
-- the operator's. The checksums are made again when the rows are written.
ALTER TABLE accounts ADD COLUMN administrator BOOLEAN NOT NULL DEFAULT false;
UPDATE accounts SET administrator = (username = 'operator'), sum = NULL;

-- What accounts may do with objects of others.
CREATE TABLE grants (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	member       TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	owner        TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	product      TEXT REFERENCES products ON DELETE CASCADE, -- NULL: all of the owner's
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE, -- NULL: all of the product's
	role         TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      BIGINT NOT NULL,
	updated      BIGINT NOT NULL,
	sum          BIGINT
);
CREATE UNIQUE INDEX grants_once ON grants (member, owner, coalesce(product, ''), coalesce(device_group, ''));
CREATE INDEX grants_member ON grants (member, rowid);
CREATE INDEX grants_owner ON grants (owner, rowid);
CREATE INDEX grants_product ON grants (product, rowid);
CREATE INDEX grants_group ON grants (device_group, rowid);

-- Links by which people get an account, a role, or both.
CREATE TABLE invitations (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	hash         BYTEA NOT NULL UNIQUE,
	account      TEXT NOT NULL, -- whose password the link sets, or ''
	owner        TEXT REFERENCES accounts ON DELETE CASCADE,
	product      TEXT REFERENCES products ON DELETE CASCADE,
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE,
	role         TEXT NOT NULL,
	email        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	used         BIGINT NOT NULL,
	used_by      TEXT NOT NULL,
	sum          BIGINT
);
CREATE INDEX invitations_creator ON invitations (creator, rowid);
CREATE INDEX invitations_owner ON invitations (owner, rowid);
CREATE INDEX invitations_product ON invitations (product, rowid);
CREATE INDEX invitations_group ON invitations (device_group, rowid);
CREATE INDEX invitations_expires ON invitations (expires);

-- Every change that was asked for by the API: who, from where, what, before and after.
CREATE TABLE audit (
	rowid        BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	at           BIGINT NOT NULL,
	actor        TEXT NOT NULL, -- account, or '' for a device
	actor_name   TEXT NOT NULL, -- as it was then
	source       TEXT NOT NULL, -- address
	action       TEXT NOT NULL, -- method and route
	owner        TEXT NOT NULL, -- the place of the object
	product      TEXT NOT NULL,
	device_group TEXT NOT NULL,
	kind         TEXT NOT NULL, -- of the object
	object       TEXT NOT NULL, -- its id
	before       TEXT NOT NULL, -- JSON, or ''
	after        TEXT NOT NULL,
	sum          BIGINT
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_owner ON audit (owner, rowid);
CREATE INDEX audit_product ON audit (product, rowid);
CREATE INDEX audit_group ON audit (device_group, rowid);
CREATE INDEX audit_actor ON audit (owner, actor, rowid);

-- The product of a webhook's group, by which webhooks are listed.
ALTER TABLE webhooks ADD COLUMN product TEXT NOT NULL DEFAULT '';
UPDATE webhooks SET product = coalesce((SELECT product FROM device_groups g WHERE g.id = device_group), '');
CREATE INDEX webhooks_product ON webhooks (product, rowid);

-- A product or a group that is shared is a list of one record, which needs no sorting.
CREATE INDEX products_place ON products (id, rowid);
CREATE INDEX device_groups_place ON device_groups (id, rowid);
