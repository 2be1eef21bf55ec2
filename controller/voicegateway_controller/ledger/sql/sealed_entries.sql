-- How many entries are sealed in blocks, and how many are from before there were any. $1 first day, $2 day after.
SELECT count(batch) AS sealed, count(*) - count(batch) AS unsealed
FROM ledger_entry
WHERE day >= $1 AND day < $2
