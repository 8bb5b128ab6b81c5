-- On a new database, before the first ANALYZE, the planner takes of two keys that both begin with business_id the one with fewer
-- columns to compare, here the merchants' numbers, and reads all orders of the business to find one. The numbers stay unique within
-- the business, whichever column comes first.
ALTER TABLE orders DROP CONSTRAINT order_number_once, ADD CONSTRAINT order_number_once UNIQUE (biz_code, business_id);
ALTER TABLE batches DROP CONSTRAINT batch_number_once, ADD CONSTRAINT batch_number_once UNIQUE (batch_biz_code, business_id);
