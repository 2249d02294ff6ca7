-- Messages of agents that wait until their devices have handled them. posted
-- is the newest one's number; the cause is the device's message that the agent
-- was handling, and how many it had posted meanwhile.
ALTER TABLE agents ADD COLUMN posted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_boot BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN cause_nth BIGINT NOT NULL DEFAULT 0;

CREATE TABLE posts (
	agent      TEXT COLLATE "C" NOT NULL,
	seq        BIGINT NOT NULL,
	name       TEXT NOT NULL,
	data       BYTEA NOT NULL,
	cause_boot BIGINT NOT NULL,
	cause_seq  BIGINT NOT NULL,
	cause_nth  BIGINT NOT NULL,
	PRIMARY KEY (agent, seq)
);
