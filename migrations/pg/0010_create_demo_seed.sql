-- The demonstration shop that is made here: one at most. It is whole when `finished_at` is set.
CREATE TABLE demo_seed (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    seed bigint NOT NULL CHECK (seed >= 0),
    orders bigint NOT NULL CHECK (orders > 0),
    events bigint NOT NULL CHECK (events >= 0),
    end_at timestamptz NOT NULL,
    import_run_id uuid NOT NULL REFERENCES import_runs (id),
    started_at timestamptz NOT NULL,
    finished_at timestamptz
);

-- How far each part of it has come: written in the transaction that brings the rows before `until`.
CREATE TABLE demo_seed_parts (
    part text PRIMARY KEY CHECK (part IN ('orders', 'ledger', 'behaviour')),
    until timestamptz NOT NULL
);

-- The name of a month's partition.
CREATE FUNCTION month_partition_name(parent text, month timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN parent || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');

-- A month's table beside its parent, without keys and indexes: rows are loaded into it first, many times faster than
-- into a partition. `false`: the partition is there already, and rows are copied into it as it is.
CREATE FUNCTION begin_month_load(parent text, month timestamptz) RETURNS boolean
    LANGUAGE plpgsql AS
$$
DECLARE
    partition_name CONSTANT text := month_partition_name(parent, month);
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name, parent);
    RETURN true;
END
$$;

-- Makes a loaded table the parent's partition: attaching builds and checks the keys and indexes that the parent has.
-- `foreign_key` as in `ensure_month_partitions`.
CREATE FUNCTION end_month_load(parent text, month timestamptz, foreign_key text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql AS
$$
DECLARE
    partition_name CONSTANT text := month_partition_name(parent, month);
    first CONSTANT timestamp := date_trunc('month', month AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format(
        'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        parent, partition_name, first AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
    IF foreign_key IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY %s%s', partition_name, foreign_key, to_char(first, '_YYYY_MM'));
    END IF;
END
$$;
