-- What there is to know of a device's key besides its hash: a rotation under way, and when
-- the device was revoked. Most devices have no row. changed is a number of
-- credential_changes; by it the nodes notice what concerns a connected device.
CREATE TABLE credentials (
	device   TEXT PRIMARY KEY NOT NULL,
	changed  INTEGER NOT NULL,
	revoked  INTEGER NOT NULL,
	rotation TEXT NOT NULL,    -- '' none, 'link', 'printed'
	began    INTEGER NOT NULL,
	deadline INTEGER NOT NULL, -- of the old key
	handed   INTEGER NOT NULL,
	next     BLOB NOT NULL,    -- hashes of the new keys, the newest first
	sum      INTEGER
) STRICT;
CREATE INDEX credentials_changed ON credentials (changed);
CREATE TABLE credential_changes (n INTEGER NOT NULL) STRICT;
INSERT INTO credential_changes (n) VALUES (0);

-- Certificates of devices, by the SHA-256 of the certificate in hexadecimal.
CREATE TABLE certificates (
	id      TEXT PRIMARY KEY NOT NULL,
	device  TEXT NOT NULL,
	subject TEXT NOT NULL,
	issuer  TEXT NOT NULL,
	expires INTEGER NOT NULL,
	created INTEGER NOT NULL,
	revoked INTEGER NOT NULL,
	sum     INTEGER
) STRICT;
CREATE INDEX certificates_device ON certificates (device);

-- Claim codes. device is the one that a code is for, or that has used it.
CREATE TABLE claim_codes (
	id           TEXT PRIMARY KEY NOT NULL,
	hash         BLOB NOT NULL UNIQUE,
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE,
	device       TEXT NOT NULL,
	name         TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	key_hash     BLOB NOT NULL, -- of the key of the device that has used it
	sum          INTEGER
) STRICT;
CREATE INDEX claim_codes_device ON claim_codes (device);
CREATE INDEX claim_codes_creator ON claim_codes (creator);

-- The installation's authority for certificates of devices.
CREATE TABLE authorities (
	id          TEXT PRIMARY KEY NOT NULL,
	certificate BLOB NOT NULL, -- DER
	private_key BLOB NOT NULL, -- PKCS #8
	created     INTEGER NOT NULL,
	sum         INTEGER
) STRICT;
