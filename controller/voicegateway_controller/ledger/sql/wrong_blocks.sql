-- Blocks that are not what their entries come to, and batches without a block. $1 first day, $2 day after, $3 at most.
WITH sealed AS (
    SELECT project, day, batch, count(*) AS entries, sum(amount_usd) AS amount_usd,
           sha256(convert_to(string_agg(ledger_entry_line(ledger_entry), E'\n'
               ORDER BY request_id, meter COLLATE "C", kind COLLATE "C", revision), 'UTF8')) AS digest
    FROM ledger_entry
    WHERE day >= $1 AND day < $2 AND batch IS NOT NULL
    GROUP BY project, day, batch
), block AS (
    SELECT project, day, batch, entries, amount_usd, digest FROM ledger_block WHERE day >= $1 AND day < $2
)
SELECT project, day, batch,
       CASE
           WHEN b.digest IS NULL THEN s.entries || ' entries were never sealed'
           WHEN s.digest IS NULL THEN 'all ' || b.entries || ' entries of a block are gone'
           WHEN b.entries <> s.entries THEN b.entries || ' entries were sealed, ' || s.entries || ' are there'
           WHEN b.amount_usd <> s.amount_usd THEN b.amount_usd || ' USD were sealed, ' || s.amount_usd || ' are there'
           ELSE 'an entry is not what was sealed'
       END AS wrong
FROM sealed AS s FULL JOIN block AS b USING (project, day, batch)
WHERE (b.entries, b.amount_usd, b.digest) IS DISTINCT FROM (s.entries, s.amount_usd, s.digest)
ORDER BY day, project, batch
LIMIT $3
