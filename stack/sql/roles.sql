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

-- Nobody who only looks may write or hold the database up.
ALTER ROLE pricebraid_reader SET default_transaction_read_only = on;
ALTER ROLE pricebraid_reader SET statement_timeout = '60s';
ALTER ROLE pricebraid_reader SET idle_in_transaction_session_timeout = '60s';
