-- A customer's orders in key order: what ?customer_id= and its pages read.
DO $body$
BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = 'demo.orders'::regclass AND relkind = 'r')
       AND NOT EXISTS (
           SELECT FROM pg_index i
           JOIN pg_attribute column_1 ON column_1.attrelid = i.indrelid AND column_1.attnum = i.indkey[0]
           JOIN pg_attribute column_2 ON column_2.attrelid = i.indrelid AND column_2.attnum = i.indkey[1]
           WHERE i.indrelid = 'demo.orders'::regclass
             AND column_1.attname = 'customer_id' AND column_2.attname = 'order_id'
             AND i.indisvalid AND i.indpred IS NULL
       )
    THEN
        CREATE INDEX ON demo.orders (customer_id, order_id);
        RAISE NOTICE 'Added an index on demo.orders (customer_id, order_id).';
    END IF;
END
$body$;
