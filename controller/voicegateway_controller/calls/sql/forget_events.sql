-- Webhooks taken longer than $1 ago can never come again.
DELETE FROM call_event WHERE received_at < now() - $1::interval
