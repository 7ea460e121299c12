-- A primary key on customer_id and order_id, or a unique constraint where the table has another
-- primary key. PostgreSQL itself judges whether the rows allow it: asking first would be a race.
DO $body$
DECLARE
    target record;
    kind   text;
BEGIN
    FOR target IN
        SELECT c.relname, a.attname,
               EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_primary_key
        FROM (VALUES ('customers', 'customer_id'), ('orders', 'order_id')) AS wanted (table_name, column_name)
        JOIN pg_class c ON c.relnamespace = 'demo'::regnamespace AND c.relname = wanted.table_name
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = wanted.column_name
        WHERE c.relkind = 'r'
          -- What already tells taken keys apart: unique, on this column alone, on every row, at once.
          AND NOT EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
                AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
          )
        ORDER BY c.relname
    LOOP
        kind := CASE WHEN target.has_primary_key THEN 'UNIQUE' ELSE 'PRIMARY KEY' END;
        BEGIN
            EXECUTE format('ALTER TABLE demo.%I ADD %s (%I)', target.relname, kind, target.attname);
            RAISE NOTICE 'Added % (%) to demo.%.', kind, target.attname, target.relname;
        EXCEPTION
            WHEN unique_violation OR not_null_violation THEN
                RAISE WARNING
                    'demo.% has rows % in %, so the table is left without a key. The API serves all of them, '
                    'but its POST cannot tell that a key is taken. '
                    'Once every row has its own, run: ALTER TABLE demo.% ADD % (%);',
                    target.relname,
                    CASE SQLSTATE WHEN '23505' THEN 'with the same value' ELSE 'without a value' END,
                    target.attname, target.relname, kind, target.attname;
        END;
    END LOOP;
END
$body$;
