-- expand: a column. The digest of whom we are at a supplier, which its numbers of orders belong to; null: imported before this was kept.
ALTER TABLE suppliers ADD COLUMN account bytea;
