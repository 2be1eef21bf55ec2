"""What needs no token: health, metrics, and the dashboard's files."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from voicegateway_controller.app import create_app
from voicegateway_controller.db import migrate


async def test_health_and_metrics_need_no_token(api: httpx.AsyncClient) -> None:
    assert (await api.get("/livez")).json() == {"status": "alive"}
    assert (await api.get("/readyz")).json() == {
        "status": "ready",
        "checks": {"postgres": "ok", "schema": "ok", "redis": "ok"},
    }
    metrics = await api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "voicegateway_ingest_spans_total" in metrics.text


async def test_an_older_schema_is_not_ready(api: httpx.AsyncClient, db: Any) -> None:
    await db.execute("UPDATE alembic_version SET version_num = '0000'")

    response = await api.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["schema"] == f"is 0000, needs {migrate.head()}: run `voicegw migrate`"


@pytest.fixture
def pages(make_settings: Any, tmp_path: Path) -> Any:
    """A client over an application whose dashboard lies in `tmp_path`; no lifespan, so nothing but pages works."""
    app = create_app(make_settings())
    app.state.web_root = tmp_path / "web"
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


async def test_an_unbuilt_dashboard_says_how_to_build_it(pages: httpx.AsyncClient) -> None:
    async with pages:
        page = await pages.get("/")
        deeper = await pages.get("/sessions")

    assert (page.status_code, deeper.status_code) == (200, 404)
    assert "make web" in page.text


async def test_a_built_dashboard_is_served_and_nothing_beside_it(pages: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "web" / "assets").mkdir(parents=True)
    (tmp_path / "web" / "index.html").write_text("<main>app</main>")
    (tmp_path / "web" / "assets" / "app-1a2b.js").write_text("run()")
    (tmp_path / "secret").write_text("secret")
    async with pages:
        answers = {
            path: await pages.get(path)
            for path in ("/", "/sessions/AJ_1", "/assets/app-1a2b.js", "/assets/gone.js", "/api/v2/x", "/%2e%2e/secret")
        }

    assert [(answer.status_code, answer.text) for answer in list(answers.values())[:3]] == [
        (200, "<main>app</main>"),
        (200, "<main>app</main>"),
        (200, "run()"),
    ]
    assert answers["/"].headers["cache-control"] == "no-cache"
    assert "immutable" in answers["/assets/app-1a2b.js"].headers["cache-control"]
    assert (answers["/assets/gone.js"].status_code, answers["/api/v2/x"].status_code) == (404, 404)
    assert "secret" not in answers["/%2e%2e/secret"].text


@pytest.mark.parametrize("path", ["/a%00b", f"/{'a' * 300}", "/assets/a%00b", "/a/" + "%2e%2e/" * 50 + "%00"])
async def test_an_address_that_no_file_can_have_is_no_crash(
    pages: httpx.AsyncClient, tmp_path: Path, path: str
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<main>app</main>")
    async with pages:
        answer = await pages.get(path)

    assert answer.status_code == (404 if path.startswith("/assets/") else 200)


async def test_an_older_pod_stays_ready_on_a_newer_schema(api: httpx.AsyncClient, db: Any) -> None:
    """A migration runs before the rollout; a rollback leaves the newer schema behind."""
    await db.execute("UPDATE alembic_version SET version_num = '9999'")

    response = await api.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"]["schema"] == "ok"
