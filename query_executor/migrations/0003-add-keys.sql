-- transactional: false
-- Adds a primary key on customer_id and order_id, or a unique constraint if the table has another primary key. This
-- query answers where a key is missing. query_executor/migrate/online.py adds it while other sessions read and write.
SELECT c.relname AS table_name, a.attname AS column_name, NOT a.attnotnull AS may_be_null,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_primary_key
FROM (VALUES ('customers', 'customer_id'), ('orders', 'order_id')) AS wanted (table_name, column_name)
JOIN pg_class c ON c.relnamespace = 'demo'::regnamespace AND c.relname = wanted.table_name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = wanted.column_name
WHERE c.relkind = 'r'
  -- A usable index is unique, on this column alone, on every row, and checked at once. An index of ours without a
  -- constraint comes from a run that was killed.
  AND NOT EXISTS (
      SELECT FROM pg_index i
      WHERE i.indrelid = c.oid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
        AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND (i.indexrelid IS DISTINCT FROM to_regclass('demo.crud_api_key_of_' || c.relname)
             OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u')))
  )
ORDER BY c.relname;
