-- Messages of agents that wait until their devices have handled them. posted
-- is the newest one's number; the cause is the device's message that the agent
-- was handling, and how many it had posted meanwhile.
ALTER TABLE agents ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_boot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_nth INTEGER NOT NULL DEFAULT 0;

CREATE TABLE posts (
	agent      TEXT NOT NULL,
	seq        INTEGER NOT NULL,
	name       TEXT NOT NULL,
	data       BLOB NOT NULL,
	cause_boot INTEGER NOT NULL,
	cause_seq  INTEGER NOT NULL,
	cause_nth  INTEGER NOT NULL,
	PRIMARY KEY (agent, seq)
) STRICT;
