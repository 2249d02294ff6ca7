-- The last boot by whose number a device numbers its messages. Until devices say their ids it
-- is the newest that they have reported.
ALTER TABLE devices ADD COLUMN heard_boot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN heard_id TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN heard_installation TEXT NOT NULL DEFAULT '';
UPDATE devices SET heard_boot = boot;
