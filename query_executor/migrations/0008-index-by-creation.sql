-- transactional: false
-- Adds an index of the rows in the order of their creation, for ?sort=-created_at and its pages. This query answers
-- where such an index is missing. query_executor/migrate/online.py makes it.
SELECT c.relname AS table_name, wanted.column_names
FROM (VALUES ('customers', ARRAY['created_at', 'customer_id']), ('orders', ARRAY['created_at', 'order_id'])) AS wanted (table_name, column_names)
JOIN pg_class c ON c.relnamespace = 'demo'::regnamespace AND c.relname = wanted.table_name
WHERE c.relkind = 'r'
  AND NOT EXISTS (
      SELECT FROM pg_index i
      JOIN pg_attribute column_1 ON column_1.attrelid = i.indrelid AND column_1.attnum = i.indkey[0]
      JOIN pg_attribute column_2 ON column_2.attrelid = i.indrelid AND column_2.attnum = i.indkey[1]
      WHERE i.indrelid = c.oid AND column_1.attname = wanted.column_names[1]
        AND column_2.attname = wanted.column_names[2] AND i.indisvalid AND i.indpred IS NULL
  )
ORDER BY c.relname;
