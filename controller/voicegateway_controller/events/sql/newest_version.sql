-- The number of the newest version of the configuration.
SELECT coalesce(max(number), 0) FROM configuration_version
