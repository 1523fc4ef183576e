-- Loaded months are looked at once, when the load is whole: until then autovacuum would count each of them in between, a
-- ninth of the processor under a large load.
CREATE OR REPLACE FUNCTION begin_month_load(parent text, month timestamptz) RETURNS boolean
    LANGUAGE plpgsql AS
$$
DECLARE
    partition_name CONSTANT text := month_partition_name(parent, month);
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (autovacuum_enabled = false)',
        partition_name, parent);
    RETURN true;
END
$$;

-- Gives the loaded months to autovacuum: every month that has none, whoever took it away. Called by whoever finishes a
-- load; the months of one that never is stay without. Returns how many there were.
CREATE FUNCTION end_loads() RETURNS integer
    LANGUAGE plpgsql AS
$$
DECLARE
    loaded regclass;
    ended integer := 0;
BEGIN
    FOR loaded IN
        SELECT oid FROM pg_class WHERE relispartition AND 'autovacuum_enabled=false' = ANY (reloptions)
    LOOP
        EXECUTE format('ALTER TABLE %s RESET (autovacuum_enabled)', loaded);
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END
$$;
