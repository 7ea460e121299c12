-- Makes the role crud_api, with the application's rights. It may read and change rows in the schema demo, in existing
-- and future tables, and nothing else. The role is a group: the executor's user becomes a member. On RDS, users can sign
-- in with IAM instead of a password. There this migration also makes that user, because rds_iam on the group would lock
-- out members with passwords.
--
-- Roles belong to the whole server, so a role that exists stays as it is. If the owner may not make a role, or may not
-- grant what another role owns, a message says what an administrator should run. On sequences the role gets only the
-- right that an INSERT needs.
DO $body$
DECLARE
    command text;
    left_out text[] := '{}';
    on_rds boolean := to_regrole('rds_iam') IS NOT NULL;
    makes_user boolean := on_rds AND to_regrole('query_executor') IS NULL;
BEGIN
    FOR command IN
        SELECT 'CREATE ROLE crud_api NOLOGIN' WHERE to_regrole('crud_api') IS NULL
        UNION ALL
        SELECT 'GRANT USAGE ON SCHEMA demo TO crud_api'
        UNION ALL
        (SELECT CASE
             WHEN relkind = 'S' THEN format('GRANT USAGE ON SEQUENCE demo.%I TO crud_api', relname)
             ELSE format('GRANT SELECT, INSERT, UPDATE, DELETE ON demo.%I TO crud_api', relname)
         END
         FROM pg_class
         WHERE relnamespace = 'demo'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND relname !~ '^_?yoyo_'  -- the record of the migrations
         ORDER BY relname)
        UNION ALL
        SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA demo GRANT %s TO crud_api', current_user, rights)
        FROM (VALUES ('SELECT, INSERT, UPDATE, DELETE ON TABLES'), ('USAGE ON SEQUENCES')) AS to_come (rights)
        UNION ALL
        SELECT 'CREATE ROLE query_executor LOGIN' WHERE makes_user
        UNION ALL
        SELECT 'GRANT crud_api TO query_executor' WHERE on_rds
        UNION ALL
        SELECT 'GRANT rds_iam TO query_executor' WHERE makes_user
    LOOP
        BEGIN
            EXECUTE command;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's migrations made the role just now
            WHEN insufficient_privilege OR undefined_object THEN  -- the latter: of a role that could not be made
                left_out := left_out || command;
        END;
    END LOOP;

    IF left_out <> '{}' THEN
        RAISE WARNING '% lacks the right to make all of the role crud_api, which can read and change rows in the schema '
            'demo and nothing else. Everything works without it. To get it, let an administrator run: %;',
            current_user, array_to_string(left_out, '; ');
    ELSE
        RAISE NOTICE 'The role crud_api can read and change rows in the schema demo, and nothing else.';
        IF on_rds THEN
            RAISE NOTICE 'The executor can connect as query_executor, with an IAM token. To admit another user, '
                'run: GRANT crud_api TO ...;';
        ELSE
            RAISE NOTICE 'To admit the user of the executor, run: GRANT crud_api TO ...;';
        END IF;
    END IF;

    -- Up to PostgreSQL 14 every role may create there. Somebody may rely on this, so it is only reported.
    IF EXISTS (SELECT FROM pg_namespace
               WHERE nspname = 'public' AND has_schema_privilege('public', oid, 'CREATE')) THEN
        RAISE WARNING 'Every role can create objects in the schema public, so crud_api can too. '
            'If nobody needs that, run: REVOKE CREATE ON SCHEMA public FROM PUBLIC;';
    END IF;
END
$body$;
