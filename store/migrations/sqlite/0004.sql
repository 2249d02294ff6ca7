CREATE TABLE libraries (
	id      TEXT PRIMARY KEY NOT NULL, -- name:version
	name    TEXT NOT NULL,
	version TEXT NOT NULL,
	created INTEGER NOT NULL,
	code    TEXT NOT NULL
);
