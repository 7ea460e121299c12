-- orders.customer_id references customers.customer_id. NOT VALID first: new rows are checked from
-- here on even where old ones name a customer that is not there; those stay, and are pointed out.
DO $body$
DECLARE
    foreign_key name;
BEGIN
    IF (SELECT count(*) FROM pg_class c
        WHERE c.relnamespace = 'demo'::regnamespace AND c.relname IN ('customers', 'orders')
          AND c.relkind = 'r') < 2
       OR EXISTS (
           SELECT FROM pg_constraint k
           JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'customer_id'
           WHERE k.conrelid = 'demo.orders'::regclass AND k.contype = 'f' AND a.attnum = ANY (k.conkey)
       )
    THEN
        RETURN;
    END IF;

    BEGIN
        ALTER TABLE demo.orders ADD FOREIGN KEY (customer_id) REFERENCES demo.customers (customer_id) NOT VALID;
    EXCEPTION
        WHEN invalid_foreign_key THEN
            RAISE WARNING
                'demo.customers has no key on customer_id, so orders are not checked to name a customer. '
                'Once it has one, run: ALTER TABLE demo.orders ADD FOREIGN KEY (customer_id) '
                'REFERENCES demo.customers (customer_id);';
            RETURN;
        WHEN datatype_mismatch THEN
            RAISE WARNING
                'customer_id has types in demo.orders and demo.customers that cannot be compared, '
                'so orders are not checked to name a customer.';
            RETURN;
    END;

    SELECT k.conname INTO STRICT foreign_key
    FROM pg_constraint k
    WHERE k.conrelid = 'demo.orders'::regclass AND k.contype = 'f' AND k.confrelid = 'demo.customers'::regclass
      AND NOT k.convalidated
      AND k.conkey = ARRAY[(SELECT a.attnum FROM pg_attribute a
                            WHERE a.attrelid = k.conrelid AND a.attname = 'customer_id')];
    BEGIN
        EXECUTE format('ALTER TABLE demo.orders VALIDATE CONSTRAINT %I', foreign_key);
        RAISE NOTICE 'Added the foreign key % (customer_id) to demo.orders.', foreign_key;
    EXCEPTION
        WHEN foreign_key_violation THEN
            RAISE WARNING
                'demo.orders has rows whose customer is not there. They stay; the foreign key % checks new ones. '
                'Once those customers exist, run: ALTER TABLE demo.orders VALIDATE CONSTRAINT %;',
                foreign_key, quote_ident(foreign_key);
    END;
END
$body$;
