-- Rows in the order in which they were created, newest or oldest first: what ?sort=-created_at and its pages read.
DO $body$
DECLARE
    relation text;
    key      text;
BEGIN
    FOR relation, key IN VALUES ('demo.customers', 'customer_id'), ('demo.orders', 'order_id')
    LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = relation::regclass AND relkind = 'r')
            OR EXISTS (
                SELECT FROM pg_index i
                JOIN pg_attribute column_1 ON column_1.attrelid = i.indrelid AND column_1.attnum = i.indkey[0]
                JOIN pg_attribute column_2 ON column_2.attrelid = i.indrelid AND column_2.attnum = i.indkey[1]
                WHERE i.indrelid = relation::regclass
                  AND column_1.attname = 'created_at' AND column_2.attname = key
                  AND i.indisvalid AND i.indpred IS NULL
            );
        EXECUTE format('CREATE INDEX ON %s (created_at, %I)', relation, key);
        RAISE NOTICE 'Added an index on % (created_at, %).', relation, key;
    END LOOP;
END
$body$;
