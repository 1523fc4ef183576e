-- For each number that is written, its order was looked up among all months, and its channel: half of the time of
-- writing many orders. `numbers_are_orders` of the audit holds more than the keys did: no number without its order, of
-- the same channel, and no order without its number. Both are written in one transaction and never deleted.
ALTER TABLE order_numbers
    DROP CONSTRAINT order_numbers_created_at_order_id_fkey,
    DROP CONSTRAINT order_numbers_channel_fkey;
