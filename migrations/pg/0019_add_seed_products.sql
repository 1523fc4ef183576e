-- How many products the demonstration shop was to have; NULL: in proportion to its orders.
ALTER TABLE demo_seed ADD COLUMN products bigint CHECK (products > 0);
