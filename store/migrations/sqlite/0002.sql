-- What is equal but for upper and lower case is found by lower(), which every
-- database knows.
CREATE UNIQUE INDEX accounts_username ON accounts (lower(username));
CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));

-- NULL in the rows of older versions, until the agent's next incarnation.
ALTER TABLE agents ADD COLUMN shard INTEGER;
