-- Which version of the makers an unfinished demonstration shop goes on with: another one would make another shop.
ALTER TABLE demo_seed ADD COLUMN generator integer NOT NULL DEFAULT 1 CHECK (generator > 0);
