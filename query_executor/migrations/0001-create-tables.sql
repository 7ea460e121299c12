-- Makes the two tables if they are missing. A table that exists belongs to its user. The later
-- migrations add to it what the API can use, and change no column, default or row of it.
--
-- There is no check on status: the API decides which values it accepts, and old rows may have others.
-- 0004 adds the foreign key, because it can do so for any customers table.
DO $body$
DECLARE
    lacking text;
    existing record;
BEGIN
    FOR existing IN
        SELECT c.relname, c.relkind = 'v' AS is_view
        FROM pg_class c
        WHERE c.relnamespace = 'demo'::regnamespace
          AND c.relname IN ('customers', 'orders')
          AND c.relkind <> 'r'
        ORDER BY c.relname
    LOOP
        RAISE WARNING 'demo.% is %, not a plain table: it is left as it is.',
            existing.relname, CASE WHEN existing.is_view THEN 'a view' ELSE 'of another kind' END;
    END LOOP;

    IF to_regclass('demo.customers') IS NULL THEN
        CREATE TABLE demo.customers (
            customer_id   text PRIMARY KEY,
            customer_name text NOT NULL,
            email         text,
            city          text,
            state         text,
            created_at    timestamptz DEFAULT now(),
            updated_at    timestamptz DEFAULT now()
        );
        RAISE NOTICE 'Created the table demo.customers.';
    END IF;

    IF to_regclass('demo.orders') IS NULL THEN
        CREATE TABLE demo.orders (
            order_id     text PRIMARY KEY,
            customer_id  text NOT NULL,
            status       text NOT NULL DEFAULT 'pending',
            total_amount numeric(12, 2) NOT NULL,
            created_at   timestamptz DEFAULT now(),
            updated_at   timestamptz DEFAULT now()
        );
        RAISE NOTICE 'Created the table demo.orders.';
    END IF;

    SELECT string_agg(format('demo.%s.%s', needed.table_name, needed.column_name), ', ')
    INTO lacking
    FROM (VALUES
        ('customers', 'customer_id'), ('customers', 'customer_name'), ('customers', 'email'),
        ('customers', 'city'), ('customers', 'state'),
        ('orders', 'order_id'), ('orders', 'customer_id'), ('orders', 'status'), ('orders', 'total_amount')
    ) AS needed (table_name, column_name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = ('demo.' || needed.table_name)::regclass
          AND a.attname = needed.column_name
          AND NOT a.attisdropped
    );
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'the API needs columns that are not there: %', lacking
            USING ERRCODE = 'undefined_column',
                  HINT = 'Add them (ALTER TABLE ... ADD COLUMN ...), or rename the columns that hold these values.';
    END IF;
END
$body$;
