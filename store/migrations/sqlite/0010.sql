-- Lists are read in the order of rowid, an account's own: each filter has an index that
-- begins with the account, or with what belongs to one account.
CREATE INDEX products_owner ON products (owner);
CREATE INDEX device_groups_type ON device_groups (owner, type);
CREATE INDEX device_groups_product ON device_groups (product, type);
DROP INDEX deployments_created;
CREATE INDEX deployments_owner ON deployments (owner);
CREATE INDEX deployments_creator ON deployments (owner, creator);
CREATE INDEX deployments_sha ON deployments (owner, sha);
CREATE INDEX deployments_flagger ON deployments (owner, flagger);
CREATE INDEX deployments_flagged ON deployments (owner) WHERE flagger <> '';
CREATE INDEX deployments_product ON deployments (product);
CREATE INDEX deployments_group ON deployments (device_group);
CREATE INDEX webhooks_owner ON webhooks (owner);
CREATE INDEX libraries_name ON libraries (name);

-- The product and the type of a device's group, by which devices are listed; '' without one.
ALTER TABLE devices ADD COLUMN product TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN group_type TEXT NOT NULL DEFAULT '';
UPDATE devices SET (product, group_type) = (SELECT product, type FROM device_groups WHERE id = device_group)
WHERE device_group IS NOT NULL;
CREATE INDEX devices_product ON devices (owner, product);
CREATE INDEX devices_type ON devices (owner, group_type);
CREATE INDEX devices_product_type ON devices (owner, product, group_type);
CREATE INDEX devices_unassigned ON devices (owner) WHERE device_group IS NULL;
CREATE INDEX devices_assigned ON devices (owner) WHERE device_group IS NOT NULL;

-- A device has the address that its code reads by imp.getmacaddress. The checksum is made
-- again when the row is written.
UPDATE devices SET mac = '02:' || substr(id, 7, 2) || ':' || substr(id, 9, 2) || ':' || substr(id, 11, 2) || ':' ||
	substr(id, 13, 2) || ':' || substr(id, 15, 2), sum = NULL
WHERE mac = '';

-- By the secret a receiver knows that a delivery is ours; '' in hooks of older versions, which did not deliver.
ALTER TABLE webhooks ADD COLUMN secret TEXT NOT NULL DEFAULT '';

-- What webhooks have to deliver, and what they could not. due is the time of the next attempt, 0 of a dead letter.
CREATE TABLE deliveries (
	id       TEXT PRIMARY KEY NOT NULL,
	webhook  TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
	event    TEXT NOT NULL,
	body     TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	due      INTEGER NOT NULL,
	reason   TEXT NOT NULL, -- why the last attempt failed
	created  INTEGER NOT NULL,
	updated  INTEGER NOT NULL,
	sum      INTEGER
) STRICT;
CREATE INDEX deliveries_due ON deliveries (due) WHERE due > 0;
CREATE INDEX deliveries_webhook ON deliveries (webhook);

-- What has happened to each device.
CREATE TABLE device_events (
	id           TEXT PRIMARY KEY NOT NULL,
	device       TEXT NOT NULL,
	event        TEXT NOT NULL,
	device_group TEXT NOT NULL,
	owner        TEXT NOT NULL,
	actor        TEXT NOT NULL, -- account; '' for one of the node's tools
	at           INTEGER NOT NULL,
	sum          INTEGER
) STRICT;
CREATE INDEX device_events_device ON device_events (device);

CREATE INDEX device_groups_of ON device_groups (product);
DROP INDEX tokens_account;
CREATE INDEX tokens_account ON tokens (account) WHERE refresh;

-- Second factors of accounts: one-time passwords by the time, and codes for who has lost the secret.
CREATE TABLE second_factors (
	account     TEXT PRIMARY KEY NOT NULL REFERENCES accounts ON DELETE CASCADE,
	secret      BLOB NOT NULL,
	enabled     INTEGER NOT NULL,
	step        INTEGER NOT NULL, -- of the newest one-time password that was used
	recovery    TEXT NOT NULL, -- hashes of the codes that are left
	login       BLOB NOT NULL, -- hash of the login token of who has shown the password
	login_until INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	sum         INTEGER
) STRICT;
CREATE INDEX second_factors_login ON second_factors (login);
