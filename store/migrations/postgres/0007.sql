-- Who has each node's name. A row's key is the hash of the public key by which the other
-- nodes know this run of the node, and address is where they reach it. Holder names the
-- lock on the node's data directory; '' is a lock that cannot be recognised. Until expires a
-- claim counts as a lease, so that a node that is about to register has its name already.
-- A node that has a lease and no claim is of a version that knew nodes by a shared secret.
CREATE TABLE claims (
    node    TEXT PRIMARY KEY,
    key     TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    holder  TEXT NOT NULL,
    expires TIMESTAMPTZ NOT NULL
);
