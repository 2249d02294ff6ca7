-- What there is to know of a device's key besides its hash: a rotation under way, and when
-- the device was revoked. Most devices have no row. changed is a number of
-- credential_changes; by it the nodes notice what concerns a connected device.
CREATE TABLE credentials (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	device   TEXT PRIMARY KEY NOT NULL,
	changed  BIGINT NOT NULL,
	revoked  BIGINT NOT NULL,
	rotation TEXT NOT NULL,    -- '' none, 'link', 'printed'
	began    BIGINT NOT NULL,
	deadline BIGINT NOT NULL, -- of the old key
	handed   BIGINT NOT NULL,
	next     BYTEA NOT NULL,    -- hashes of the new keys, the newest first
	sum      BIGINT
);
CREATE INDEX credentials_changed ON credentials (changed);
CREATE TABLE credential_changes (n BIGINT NOT NULL);
INSERT INTO credential_changes (n) VALUES (0);

-- Certificates of devices, by the SHA-256 of the certificate in hexadecimal.
CREATE TABLE certificates (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id      TEXT PRIMARY KEY NOT NULL,
	device  TEXT NOT NULL,
	subject TEXT NOT NULL,
	issuer  TEXT NOT NULL,
	expires BIGINT NOT NULL,
	created BIGINT NOT NULL,
	revoked BIGINT NOT NULL,
	sum     BIGINT
);
CREATE INDEX certificates_device ON certificates (device, rowid);

-- Claim codes. device is the one that a code is for, or that has used it.
CREATE TABLE claim_codes (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id           TEXT PRIMARY KEY NOT NULL,
	hash         BYTEA NOT NULL UNIQUE,
	device_group TEXT REFERENCES device_groups ON DELETE CASCADE,
	device       TEXT NOT NULL,
	name         TEXT NOT NULL,
	creator      TEXT NOT NULL,
	created      BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	used         BIGINT NOT NULL,
	key_hash     BYTEA NOT NULL, -- of the key of the device that has used it
	sum          BIGINT
);
CREATE INDEX claim_codes_device ON claim_codes (device);
CREATE INDEX claim_codes_creator ON claim_codes (creator, rowid);

-- The installation's authority for certificates of devices.
CREATE TABLE authorities (
	rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
	id          TEXT PRIMARY KEY NOT NULL,
	certificate BYTEA NOT NULL, -- DER
	private_key BYTEA NOT NULL, -- PKCS #8
	created     BIGINT NOT NULL,
	sum         BIGINT
);
