-- Lists are read in the order of rowid, an account's own: each filter has an index that
-- begins with the account, or with what belongs to one account.
CREATE INDEX products_owner ON products (owner, rowid);
CREATE INDEX device_groups_type ON device_groups (owner, type, rowid);
CREATE INDEX device_groups_product ON device_groups (product, type, rowid);
DROP INDEX deployments_created;
CREATE INDEX deployments_owner ON deployments (owner, rowid);
CREATE INDEX deployments_creator ON deployments (owner, creator, rowid);
CREATE INDEX deployments_sha ON deployments (owner, sha, rowid);
CREATE INDEX deployments_flagger ON deployments (owner, flagger, rowid);
CREATE INDEX deployments_flagged ON deployments (owner, rowid) WHERE flagger <> '';
CREATE INDEX deployments_product ON deployments (product, rowid);
CREATE INDEX deployments_group ON deployments (device_group, rowid);
CREATE INDEX webhooks_owner ON webhooks (owner, rowid);
CREATE INDEX libraries_name ON libraries (name);

-- The product and the type of a device's group, by which devices are listed; '' without one.
ALTER TABLE devices ADD COLUMN product TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN group_type TEXT NOT NULL DEFAULT '';
UPDATE devices SET (product, group_type) = (SELECT product, type FROM device_groups WHERE id = device_group)
WHERE device_group IS NOT NULL;
CREATE INDEX devices_product ON devices (owner, product, rowid);
CREATE INDEX devices_type ON devices (owner, group_type, rowid);
CREATE INDEX devices_product_type ON devices (owner, product, group_type, rowid);
CREATE INDEX devices_unassigned ON devices (owner, rowid) WHERE device_group IS NULL;
CREATE INDEX devices_assigned ON devices (owner, rowid) WHERE device_group IS NOT NULL;

-- A device has the address that its code reads by imp.getmacaddress. The checksum is made
-- again when the row is written.
UPDATE devices SET mac = '02:' || substr(id, 7, 2) || ':' || substr(id, 9, 2) || ':' || substr(id, 11, 2) || ':' ||
	substr(id, 13, 2) || ':' || substr(id, 15, 2), sum = NULL
WHERE mac = '';

-- By the secret a receiver knows that a delivery is ours; '' in hooks of older versions, which did not deliver.
ALTER TABLE webhooks ADD COLUMN secret TEXT NOT NULL DEFAULT '';

-- What webhooks have to deliver, and what they could not. due is the time of the next attempt, 0 of a dead letter.
CREATE TABLE deliveries (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id       TEXT PRIMARY KEY NOT NULL,
	webhook  TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
	event    TEXT NOT NULL,
	body     TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	due      BIGINT NOT NULL,
	reason   TEXT NOT NULL, -- why the last attempt failed
	created  BIGINT NOT NULL,
	updated  BIGINT NOT NULL,
	sum      BIGINT
);
CREATE INDEX deliveries_due ON deliveries (due) WHERE due > 0;
CREATE INDEX deliveries_webhook ON deliveries (webhook, rowid);

-- What has happened to each device.
CREATE TABLE device_events (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	device       TEXT NOT NULL,
	event        TEXT NOT NULL,
	device_group TEXT NOT NULL,
	owner        TEXT NOT NULL,
	actor        TEXT NOT NULL, -- account; '' for one of the node's tools
	at           BIGINT NOT NULL,
	sum          BIGINT
);
CREATE INDEX device_events_device ON device_events (device, rowid);

-- Here an index does not have rowid at its end by itself.
DROP INDEX device_groups_owner;
CREATE INDEX device_groups_owner ON device_groups (owner, rowid);
CREATE INDEX device_groups_of ON device_groups (product, rowid);
DROP INDEX devices_group;
CREATE INDEX devices_group ON devices (device_group, rowid);
DROP INDEX devices_owner;
CREATE INDEX devices_owner ON devices (owner, rowid);
DROP INDEX webhooks_group;
CREATE INDEX webhooks_group ON webhooks (device_group, rowid);
DROP INDEX tokens_account;
CREATE INDEX tokens_account ON tokens (account, rowid) WHERE refresh;
DROP INDEX login_keys_account;
CREATE INDEX login_keys_account ON login_keys (account, rowid);

-- Second factors of accounts: one-time passwords by the time, and codes for who has lost the secret.
CREATE TABLE second_factors (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	account     TEXT PRIMARY KEY NOT NULL REFERENCES accounts ON DELETE CASCADE,
	secret      BYTEA NOT NULL,
	enabled     BOOLEAN NOT NULL,
	step        BIGINT NOT NULL, -- of the newest one-time password that was used
	recovery    TEXT NOT NULL, -- hashes of the codes that are left
	login       BYTEA NOT NULL, -- hash of the login token of who has shown the password
	login_until BIGINT NOT NULL,
	created     BIGINT NOT NULL,
	sum         BIGINT
);
CREATE INDEX second_factors_login ON second_factors (login);
