-- The roles of a fleet, each a user of its own, without passwords; then the database is theirs alone. Run once, in Refill's (still empty)
-- database, by whoever may make roles: psql -d refill -f deploy/postgres/roles.sql. What each of them may do is said in
-- migrations/access.sql and carried out by `refill migrate --roles`, as refill_migrate. (CloudNativePG makes them by itself:
-- deploy/kubernetes/base/postgres.yaml.)

DO $$
DECLARE
    -- migrate owns the tables; ingress, fulfillment, callback and console are the fleet; catalog imports the catalogue; readonly looks.
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['migrate', 'ingress', 'fulfillment', 'callback', 'console', 'catalog', 'readonly'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refill_' || name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', 'refill_' || name);
        END IF;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I OWNER TO refill_migrate', current_database());
END $$;
-- Before PostgreSQL 15 everybody could make tables here, and the database's owner was nobody special.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO refill_migrate;
