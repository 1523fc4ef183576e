-- The millisecond a UUID version 7 was made for. A partition key is derived from the id, so one partition is touched.
CREATE FUNCTION uuid_v7_time(id uuid) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN timestamptz '1970-01-01 00:00:00+00'
        + ('x' || translate(substr(id::text, 1, 13), '-', ''))::bit(48)::bigint * interval '1 millisecond';

-- A UUID version 7 whose last ten bytes come from a name: the same document always gets the same id.
CREATE FUNCTION uuid_v7_named(at timestamptz, name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
        lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 1, 3)
        || '8' || substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 4, 15)
    )::uuid;

-- Monthly partitions (UTC) of `parent` for every month that touches [first, last]. Built beside the parent and
-- attached: readers go on, writers of tables that a foreign key joins wait for the moment of attaching. `foreign_key`, such as
-- '(created_at, order_id) REFERENCES orders', ties each partition to the other table's partition of its month: the
-- partition key is part of it, so this holds the same as a key to the whole table, at a third of the cost of a load.
-- Returns how many were made.
CREATE FUNCTION ensure_month_partitions(
    parent regclass, first timestamptz, last timestamptz, foreign_key text DEFAULT NULL
) RETURNS integer
    LANGUAGE plpgsql AS
$$
DECLARE
    month timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
    suffix text;
    partition_name text;
    made integer := 0;
BEGIN
    IF last - first > interval '100 years' THEN
        RAISE EXCEPTION 'a range of more than 100 years of partitions: % to %', first, last;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ensure_month_partitions', 0));
    WHILE month <= last AT TIME ZONE 'UTC' LOOP
        suffix := to_char(month, '_YYYY_MM');
        partition_name := parent::text || suffix;
        IF to_regclass(partition_name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name, parent);
            EXECUTE format(
                'ALTER TABLE %s ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, partition_name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            IF foreign_key IS NOT NULL THEN
                EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY %s%s', partition_name, foreign_key, suffix);
            END IF;
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END
$$;
