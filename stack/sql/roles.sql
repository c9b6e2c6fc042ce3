-- The roles of the database. Passwords are set beside this, from the market's secrets.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['pricebraid', 'pricebraid_writer', 'pricebraid_reader'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
    END LOOP;
END
$$;

-- Nobody who only looks may write or hold the database up. A role may change its own defaults: what stands here counts
-- again with the next start. How long a statement may take is a setting, and set beside this.
ALTER ROLE pricebraid_reader RESET ALL;
ALTER ROLE pricebraid_reader SET default_transaction_read_only = on;
ALTER ROLE pricebraid_reader SET idle_in_transaction_session_timeout = '60s';
