-- What a run changed, the largest differences first. $1 number, $2 rows.
SELECT day, provider, model, meter, requests, before_usd, after_usd
FROM rerating_change
WHERE number = $1
ORDER BY abs(after_usd - before_usd) DESC, day, provider, model, meter
LIMIT $2
