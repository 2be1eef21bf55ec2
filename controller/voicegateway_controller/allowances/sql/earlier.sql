-- The newest declarations of some names, in whichever set they stood. $1 names.
SELECT DISTINCT ON (each ->> 'name') each::text AS declared
FROM allowance_set, jsonb_array_elements(document) AS each
WHERE each ->> 'name' = ANY($1::text[])
ORDER BY each ->> 'name', revision DESC
