-- The hash of the code that an agent is not started with any more; '' when it is not quarantined.
ALTER TABLE agents ADD COLUMN quarantined TEXT NOT NULL DEFAULT '';
