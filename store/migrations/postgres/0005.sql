-- What part of the shards a node claims, against the others.
ALTER TABLE leases ADD COLUMN weight DOUBLE PRECISION NOT NULL DEFAULT 1;
