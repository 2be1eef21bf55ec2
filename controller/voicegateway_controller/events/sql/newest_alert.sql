-- Where the newest alert stands.
SELECT coalesce(max(position), 0) FROM alert
