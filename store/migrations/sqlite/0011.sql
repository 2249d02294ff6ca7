-- Administrators control the installation. The account of an installation of today that does is
-- the operator's. The checksums are made again when the rows are written.
ALTER TABLE accounts ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0;
UPDATE accounts SET administrator = username = 'operator', sum = NULL;

-- What accounts may do with objects of others.
CREATE TABLE grants (
	id           TEXT PRIMARY KEY NOT NULL,
	member       TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	owner        TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
	product      TEXT REFERENCES products ON DELETE CASCADE, -- NULL: all of the owner's
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE, -- NULL: all of the product's
	role         TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      INTEGER NOT NULL,
	updated      INTEGER NOT NULL,
	sum          INTEGER
) STRICT;
CREATE UNIQUE INDEX grants_once ON grants (member, owner, coalesce(product, ''), coalesce(device_group, ''));
CREATE INDEX grants_member ON grants (member);
CREATE INDEX grants_owner ON grants (owner);
CREATE INDEX grants_product ON grants (product);
CREATE INDEX grants_group ON grants (device_group);

-- Links by which people get an account, a role, or both.
CREATE TABLE invitations (
	id           TEXT PRIMARY KEY NOT NULL,
	hash         BLOB NOT NULL UNIQUE,
	account      TEXT NOT NULL, -- whose password the link sets, or ''
	owner        TEXT REFERENCES accounts ON DELETE CASCADE,
	product      TEXT REFERENCES products ON DELETE CASCADE,
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE,
	role         TEXT NOT NULL,
	email        TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	used_by      TEXT NOT NULL,
	sum          INTEGER
) STRICT;
CREATE INDEX invitations_creator ON invitations (creator);
CREATE INDEX invitations_owner ON invitations (owner);
CREATE INDEX invitations_product ON invitations (product);
CREATE INDEX invitations_group ON invitations (device_group);
CREATE INDEX invitations_expires ON invitations (expires);

-- Every change that was asked for by the API: who, from where, what, before and after.
CREATE TABLE audit (
	id           TEXT PRIMARY KEY NOT NULL,
	at           INTEGER NOT NULL,
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
	sum          INTEGER
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_owner ON audit (owner);
CREATE INDEX audit_product ON audit (product);
CREATE INDEX audit_group ON audit (device_group);
CREATE INDEX audit_actor ON audit (owner, actor);

-- The product of a webhook's group, by which webhooks are listed.
ALTER TABLE webhooks ADD COLUMN product TEXT NOT NULL DEFAULT '';
UPDATE webhooks SET product = coalesce((SELECT product FROM device_groups g WHERE g.id = device_group), '');
CREATE INDEX webhooks_product ON webhooks (product);
