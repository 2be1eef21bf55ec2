-- Versions of the configuration behind a number. $1 number, $2 limit.
SELECT number, at, actor, layer, kinds, summary, rollback_of
FROM configuration_version
WHERE number > $1
ORDER BY number LIMIT $2
