-- Is there an agent in a room of whom nobody has said who pays?
SELECT EXISTS (
    SELECT FROM call_leg WHERE settled_at IS NULL AND kind = 'agent' AND (present_project = '' OR session_id = '')
)
