-- A release may wait for its time; NULL: it is live from the beginning. The one with the highest number whose time has
-- come is live, and while one waits no other is published.
ALTER TABLE search_releases ADD COLUMN live_from timestamptz;
