-- How often each node has renewed its lease. By that also a node that writes nothing else
-- notices that the database has gone back. It is apart from progress, whose rows are locked
-- while a node commits.
CREATE TABLE renewals (
	node TEXT PRIMARY KEY NOT NULL,
	n    BIGINT NOT NULL
) WITH (fillfactor = 50);
