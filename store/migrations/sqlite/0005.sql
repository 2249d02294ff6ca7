-- Whether agents' outgoing requests verify servers unless they say otherwise.
ALTER TABLE device_groups ADD COLUMN validate_tls INTEGER NOT NULL DEFAULT 0;
