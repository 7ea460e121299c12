-- Adds created_at and updated_at. First without a default, so that existing rows have null, because
-- nobody knows when they were created, and no row is rewritten. Then the default, for new rows.
DO $body$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT c.relname, wanted.column_name
        FROM pg_class c
        CROSS JOIN (VALUES ('created_at'), ('updated_at')) AS wanted (column_name)
        WHERE c.relnamespace = 'demo'::regnamespace
          AND c.relname IN ('customers', 'orders')
          AND c.relkind = 'r'
          AND NOT EXISTS (
              SELECT FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attname = wanted.column_name AND NOT a.attisdropped
          )
        ORDER BY c.relname, wanted.column_name
    LOOP
        EXECUTE format('ALTER TABLE demo.%I ADD COLUMN %I timestamptz', missing.relname, missing.column_name);
        EXECUTE format(
            'ALTER TABLE demo.%I ALTER COLUMN %I SET DEFAULT now()', missing.relname, missing.column_name
        );
        RAISE NOTICE 'Added the column % to demo.%: null in existing rows, now() in new rows.',
            missing.column_name, missing.relname;
    END LOOP;
END
$body$;
