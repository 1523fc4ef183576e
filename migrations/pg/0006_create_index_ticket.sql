-- The version of a search document: taken once per bulk before its facts are read, so that a later ticket has seen
-- all that an earlier one could.
CREATE SEQUENCE index_ticket AS bigint;
