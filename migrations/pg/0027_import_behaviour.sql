-- A history of behaviour events comes in as orders and products do.
ALTER TABLE import_runs
    DROP CONSTRAINT import_runs_kind_check,
    ADD CONSTRAINT import_runs_kind_check CHECK (kind IN ('orders', 'products', 'events'));
