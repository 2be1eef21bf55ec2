"""The validation tables' SQL. Written in the transaction that rates the spans."""

from datetime import date
from typing import Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.validation.summing import Validation

SUM_MAX: Final = 2**63 - 1

# A sum that is full stays full: what others say, however absurd, must not hold rating up.
ADD_SUMS: Final = f"""
INSERT INTO rollup_validation AS r (
    day, project, provider, model, modality, meter, source, finding, requests, ours, theirs
)
SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::bigint[], $10::bigint[], $11::bigint[])
ON CONFLICT (day, project, provider, model, modality, meter, source, finding) DO UPDATE SET
    requests = r.requests + excluded.requests,
    ours = least(r.ours::numeric + excluded.ours, {SUM_MAX})::bigint,
    theirs = least(r.theirs::numeric + excluded.theirs, {SUM_MAX})::bigint
"""

ADD_DISCREPANCIES: Final = """
INSERT INTO usage_discrepancy (
    day, request_id, meter, source, finding, ours, theirs, project, session_id, provider, model, modality, charged_at
)
SELECT day, request_id, meter, source, finding, ours, theirs, project, session_id, provider, model, modality,
       timestamptz 'epoch' + charged_us * interval '1 microsecond'
FROM unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[])
    AS d (day, request_id, meter, source, finding, ours, theirs, project, session_id, provider, model, modality,
          charged_us)
ON CONFLICT DO NOTHING
"""


async def keep_validation(connection: Connection, found: Validation) -> None:
    """Add a batch's comparisons. Rows are in key order, as all sums are, so that runners cannot deadlock."""
    if found.discrepancies:
        rows = [
            (
                date.fromisoformat(span.day), span.request_id, each.meter, each.source, each.finding, each.ours,
                each.theirs, span.project, span.session_id, span.provider, span.model, span.modality, span.charged_us,
            )
            for span, each in found.discrepancies
        ]  # fmt: skip
        await connection.execute(ADD_DISCREPANCIES, *map(list, zip(*rows, strict=True)))
    if found.sums:
        sums = [(date.fromisoformat(key[0]), *key[1:], *values) for key, values in sorted(found.sums.items())]
        await connection.execute(ADD_SUMS, *map(list, zip(*sums, strict=True)))
