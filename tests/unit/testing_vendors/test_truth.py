"""The truth log: whole lines, read back as written."""

import json
from pathlib import Path

import pytest

from voicegateway.testing.vendors.truth import TruthLog, read_truth


def test_request_is_read_back_as_it_ended(tmp_path: Path) -> None:
    log = TruthLog(tmp_path, "deepgram")
    accepted = log.accept(request_id="r1", modality="stt", model="nova-3", context={"mode": "streaming"})
    started = read_truth(tmp_path, event="started")
    accepted.end(outcome="fault:stall", usage={"audio_sent_ms": 5}, facts={"audio_bytes": 160})
    log.reject(request_id="r2", modality="stt", model="nova-3", fault="rate_limited", status=429)
    log.close()
    ended, refused = read_truth(tmp_path)

    assert [record.request_id for record in started] == ["r1"]
    assert (ended.request_id, ended.usage, ended.billed) == ("r1", {"audio_sent_ms": 5}, True)
    assert (ended.outcome, ended.fault, ended.context) == ("fault:stall", "stall", {"mode": "streaming"})
    assert ended.facts == {"started_at": started[0].at, "audio_bytes": 160}
    assert (refused.billed, refused.fault, refused.facts) == (False, "rate_limited", {"status": 429})


def test_lines_have_the_agreed_keys(tmp_path: Path) -> None:
    log = TruthLog(tmp_path, "openai")
    log.accept(request_id="r", modality="llm", model="m").end(outcome="ok", usage={"input_tokens": 1})
    log.close()
    started, ended = (json.loads(line) for line in (tmp_path / "openai.jsonl").read_text().splitlines())

    assert started["event"] == "started"
    assert "usage" not in started
    assert "event" not in ended
    assert {"vendor", "request_id", "modality", "model", "at", "usage", "billed", "outcome", "fault"} <= set(ended)


def test_request_ends_once_and_with_known_meters(tmp_path: Path) -> None:
    log = TruthLog(tmp_path, "openai")
    accepted = log.accept(request_id="r", modality="llm", model="m")
    with pytest.raises(ValueError, match="unknown meters"):
        accepted.end(outcome="ok", usage={"smiles": 3})
    accepted.end(outcome="ok", usage={})
    with pytest.raises(ValueError, match="ended twice"):
        accepted.end(outcome="ok", usage={})
    log.close()

    assert len(read_truth(tmp_path)) == 1


def test_torn_line_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "openai.jsonl").write_text('{"vendor": "openai", "requ')

    with pytest.raises(ValueError, match=r"openai\.jsonl:1 is not a truth record"):
        read_truth(tmp_path)
