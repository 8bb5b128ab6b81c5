-- expand: a column. How many orders an account may send in a second to each ingress process; 0: no limit, as before.
ALTER TABLE businesses ADD COLUMN order_limit bigint NOT NULL DEFAULT 0 CHECK (order_limit >= 0);
