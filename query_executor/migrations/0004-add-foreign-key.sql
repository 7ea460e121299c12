-- transactional: false
-- Makes orders.customer_id a foreign key to customers.customer_id. This query answers what is left to do, and
-- query_executor/migrate/online.py does it. A foreign key of the user stays as it is. Ours has a comment until it is
-- validated.
SELECT k.conname AS foreign_key
FROM (VALUES (1)) AS once
LEFT JOIN pg_constraint k ON k.conrelid = 'demo.orders'::regclass AND k.contype = 'f' AND NOT k.convalidated
  AND obj_description(k.oid, 'pg_constraint') = 'crud-api has yet to validate this'
WHERE (SELECT count(*) FROM pg_class c
       WHERE c.relnamespace = 'demo'::regnamespace AND c.relname IN ('customers', 'orders') AND c.relkind = 'r') = 2
  AND (k.conname IS NOT NULL OR NOT EXISTS (
      SELECT FROM pg_constraint own
      JOIN pg_attribute a ON a.attrelid = own.conrelid AND a.attname = 'customer_id'
      WHERE own.conrelid = 'demo.orders'::regclass AND own.contype = 'f' AND a.attnum = ANY (own.conkey)
  ));
