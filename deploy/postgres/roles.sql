-- Sent once to a fresh cluster, before any standby exists. devstack fills in what stands between @ signs (a
-- password as a quoted literal). A semicolon and an empty line end a statement: the single-user server reads
-- them so.

-- Owner of the application's database. Never superuser.
CREATE ROLE entrepot LOGIN @CREATEDB@ PASSWORD @ENTREPOT_PASSWORD@;

-- A lock is waited for 2 s and an idle transaction lives 10 s, for every program. statement_timeout is not
-- set here: the API asks for its 5 s when it connects, importers and migrations need longer.
ALTER ROLE entrepot SET lock_timeout = '2s';

ALTER ROLE entrepot SET idle_in_transaction_session_timeout = '10s';

-- Streams WAL, and reads the files that pg_rewind compares.
CREATE ROLE replicator LOGIN REPLICATION PASSWORD @REPLICATOR_PASSWORD@;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO replicator;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO replicator;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO replicator;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;

-- Health and replication checks of Pgpool-II. pg_monitor: detach_false_primary reads pg_stat_wal_receiver.
CREATE ROLE pgpool_check LOGIN PASSWORD @CHECK_PASSWORD@;

GRANT pg_monitor TO pgpool_check;

-- The failover script: may fence, promote and re-point, and nothing else. Not a superuser.
CREATE ROLE pgpool_failover LOGIN REPLICATION PASSWORD @FAILOVER_PASSWORD@;

GRANT pg_monitor TO pgpool_failover;

GRANT ALTER SYSTEM ON PARAMETER primary_conninfo TO pgpool_failover;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO pgpool_failover;

GRANT EXECUTE ON FUNCTION pg_catalog.pg_promote(boolean, integer) TO pgpool_failover;

-- One slot for each node, on every node (the standbys start as copies of this one): whoever is promoted has
-- them.
SELECT pg_create_physical_replication_slot(name) FROM unnest(ARRAY[@NODE_NAMES@]) AS name;

CREATE DATABASE entrepot OWNER entrepot;
