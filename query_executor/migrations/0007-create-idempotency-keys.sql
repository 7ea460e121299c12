-- Makes the table of the answers to a POST with an Idempotency-Key. They are kept for 24 hours. The API writes an answer
-- in the transaction that stores the rows, and removes expired answers. The id is a digest of the caller, the path and
-- the key. Another table of this name stays as it is.
--
-- The rights are the rights of 0006. They hold for this table by default only if the same role made both.
DO $body$
DECLARE
    lacking text;
BEGIN
    IF to_regclass('demo.idempotency_keys') IS NULL THEN
        CREATE TABLE demo.idempotency_keys (
            id          text PRIMARY KEY,
            fingerprint text NOT NULL,
            status      integer NOT NULL,
            body        text NOT NULL,
            etag        text,
            row_key     text,
            expires_at  timestamptz NOT NULL
        );
        CREATE INDEX ON demo.idempotency_keys (expires_at);
        RAISE NOTICE 'Created the table demo.idempotency_keys, for the answers to requests with an Idempotency-Key.';
    END IF;

    SELECT string_agg(column_name, ', ' ORDER BY n)
    INTO lacking
    FROM unnest(ARRAY['id', 'fingerprint', 'status', 'body', 'etag', 'row_key', 'expires_at'])
        WITH ORDINALITY AS needed (column_name, n)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = 'demo.idempotency_keys'::regclass AND a.attname = column_name AND NOT a.attisdropped
    );
    IF lacking IS NOT NULL THEN
        RAISE WARNING 'demo.idempotency_keys is a table of another kind and lacks %: it is left as it is, and a POST '
            'with an Idempotency-Key fails. Rename your table, then create the table of this migration.', lacking;
        RETURN;
    END IF;

    BEGIN
        GRANT SELECT, INSERT, UPDATE, DELETE ON demo.idempotency_keys TO crud_api;
    EXCEPTION
        WHEN insufficient_privilege OR undefined_object THEN
            RAISE WARNING 'The role crud_api has no rights on demo.idempotency_keys: it is not there, or the table is '
                'another role''s. Once it is, let the owner run: '
                'GRANT SELECT, INSERT, UPDATE, DELETE ON demo.idempotency_keys TO crud_api;';
    END;
END
$body$;
