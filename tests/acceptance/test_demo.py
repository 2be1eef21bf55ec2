"""The spine, end to end: real job processes, real plugins, real services, and the vendors' own bills as judge."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

CALLS = 20
KILLS = 30


def run_demo(home: Path, *arguments: str, timeout_s: float) -> tuple[int, dict[str, Any], str]:
    """Run `voicegw demo --once --json` as a user would; returns exit code, document and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "voicegateway_controller", "demo", "--once", "--json", *arguments],
        env={**os.environ, "VOICEGATEWAY_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr


def logs(home: Path) -> str:
    """The last words of every process, for a failure's message."""
    files = sorted((home / "demo" / "logs").glob("*.log"))
    return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in files)


@pytest.mark.timeout(600)
def test_ledger_equals_the_vendors_bills_to_the_last_digit(tmp_path: Path) -> None:
    code, verdict, complaint = run_demo(tmp_path, "--calls", str(CALLS), "--concurrency", "4", timeout_s=500)

    assert verdict, complaint + logs(tmp_path)
    assert verdict["calls"] == CALLS, logs(tmp_path)
    assert {vendor: row["ledger_usd"] for vendor, row in verdict["per_vendor"].items()} == {
        vendor: row["truth_usd"] for vendor, row in verdict["per_vendor"].items()
    }
    assert set(verdict["per_vendor"]) == {"cartesia", "deepgram", "openai"}
    assert Decimal(verdict["ledger_usd"]) == Decimal(verdict["vendor_truth_usd"]) > 0
    assert (verdict["missing"], verdict["doubled"], verdict["unrated"]) == (0, 0, 0)
    assert verdict["requests"] >= 4 * CALLS
    # Callers talked over the agent: the plugin dropped the speech, the vendor had been sent its text.
    assert verdict["outcomes"]["cancelled"] > 0
    assert code == 0
    assert_faults_happened(tmp_path)


def assert_faults_happened(home: Path) -> None:
    """The run proves nothing if no vendor misbehaved."""
    files = (home / "demo" / "truth").glob("*.jsonl")
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    outcomes = {line["outcome"] for line in lines if line.get("event") != "started"}

    assert {"fault:rate_limited", "fault:server_error", "fault:vendor_error"} <= outcomes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds job processes in /proc")
@pytest.mark.timeout(900)
def test_killing_anything_loses_and_doubles_nothing(tmp_path: Path) -> None:
    code, verdict, complaint = run_demo(
        tmp_path,
        *("--calls", "12", "--concurrency", "3", "--kills", str(KILLS), "--kill-every-s", "2", "--seed", "7"),
        timeout_s=800,
    )

    assert verdict, complaint + logs(tmp_path)
    assert sum(verdict["kills"].values()) == KILLS, verdict
    assert set(verdict["kills"]) == {"job process", "worker", "controller", "runner", "valkey", "postgres"}
    assert (verdict["missing"], verdict["doubled"], verdict["unrated"]) == (0, 0, 0), verdict
    assert verdict["requests"] > 0
    assert code == 0
