"""The API describes itself truly: the OpenAPI document, the page and the reference agree with the routes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.async_api import Page

from gate.contract.problem import CODES
from gate.http.app import endpoints, served
from gate.http.openapi import codes
from tests.harness.browser import chromium
from tests.integration.http.door import Door

SOMETIMES = ("Preference-Applied", "Idempotency-Replayed", "Signoff-Joined", "Signoff-Grant")
REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.fixture
async def document(door: Door) -> dict[str, Any]:
    return (await door.get("/openapi.json", key=None)).body


async def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_the_document_has_exactly_the_routes_that_are_served(
    door: Door, document: dict[str, Any]
) -> None:
    written = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    mounted = {("GET", "/x"), ("HEAD", "/x")}
    assert written == set(served(door.app)) - mounted


async def test_the_http_reference_has_exactly_the_routes_that_are_served(door: Door) -> None:
    text = (REFERENCE / "http.md").read_text()
    written = set(re.findall(r"^### `([A-Z]+) (/\S*)`", text, re.MULTILINE))
    assert written == {(endpoint.method, endpoint.path) for endpoint in endpoints("0")}


async def test_the_error_reference_has_exactly_the_codes_there_are() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", (REFERENCE / "errors.md").read_text(), re.MULTILINE
    )
    assert rows == [(code, str(kind.status), kind.meaning) for code, kind in CODES.items()]


async def test_every_answer_that_is_given_is_described(door: Door, document: dict[str, Any]) -> None:
    """Real answers are valid under the schemas of their operation."""
    made = await door.propose("pay.refund", headers={"Prefer": "wait=0"})
    self = made.body["links"]["self"]
    answers = [
        (("/v1/actions", "post"), made),
        (("/v1/actions", "post"), await door.propose("mail.blast")),
        (("/v1/actions", "post"), await door.propose("nodots")),
        (("/v1/actions", "get"), await door.get("/v1/actions")),
        (("/v1/actions/{id}", "get"), await door.get(self)),
        (("/v1/actions/{id}", "get"), await door.get("/v1/actions/none")),
        (("/v1/actions/{id}/cancel", "post"), await door.post(f"{self}/cancel", reason="x")),
        (("/v1/actions/{id}/cancel", "post"), await door.post(f"{self}/cancel", reason="x")),
        (("/v1/policy", "get"), await door.get("/v1/policy", key="reader")),
        (("/v1/policy", "get"), await door.get("/v1/policy", key="bot")),
        (
            ("/v1/policy/evaluate", "post"),
            await door.post("/v1/policy/evaluate", topic="pay.wire", summary="x", payload={}),
        ),
        (("/v1/audit/records", "get"), await door.get("/v1/audit/records", key="reader")),
        (("/readyz", "get"), await door.get("/readyz", key=None)),
        (("/.well-known/jwks.json", "get"), await door.get("/.well-known/jwks.json", key=None)),
    ]
    for (path, method), got in answers:
        described = document["paths"][path][method]["responses"][str(got.status)]
        media = got.headers["Content-Type"].partition(";")[0]
        schema = described["content"][media]["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(got.body)
        if got.status >= 400:
            assert got.body["code"] in described["x-codes"]
        for name in described.get("headers", {}):
            assert name in SOMETIMES or name in got.headers


async def test_the_examples_in_the_document_are_accepted(door: Door, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for example in schemas["ActionIn"]["examples"]:
        assert (await door.post("/v1/actions", **example)).status in (200, 202)
    for name in ("ActionIn", "RedeemIn", "OutcomeIn", "CancelIn"):
        schema = schemas[name] | {"components": document["components"]}
        for example in schemas[name]["examples"]:
            Draft202012Validator(schema).validate(example)


def test_every_code_an_endpoint_names_exists() -> None:
    for endpoint in endpoints("0"):
        assert set(codes(endpoint)) <= set(CODES), endpoint.operation


async def test_the_page_works_needs_nothing_from_elsewhere_and_reads_without_a_mouse(
    door: Door,
) -> None:
    async with chromium() as browser:
        await _reads_without_a_mouse(await browser.new_page(), door)


async def _reads_without_a_mouse(page: Page, door: Door) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(f"{door.url}/docs")
    assert [url for url in asked if not url.startswith("data:")] == [f"{door.url}/docs"]
    for endpoint in endpoints("0"):
        article = page.locator(f"article#{endpoint.operation}")
        assert await article.locator("h3").inner_text() == endpoint.summary
    for code in CODES:
        assert await page.locator(f"tr#error-{code}").count() == 1
    missing = await page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(id => !document.getElementById(id))"
    )
    assert missing == []
    await page.get_by_label("Find an endpoint").fill("redeem")
    assert await page.locator("nav li:visible").count() == 1
    await page.keyboard.press("Enter")
    assert page.url.endswith("#redeemGrant")
    before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("button", name="Dark").click()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert said == []


async def test_the_documents_may_be_cached_and_the_answers_may_not(door: Door) -> None:
    assert "max-age" in (await door.get("/docs", key=None)).headers["Cache-Control"]
    assert (await door.get("/v1/actions")).headers["Cache-Control"] == "no-store"
    assert json.loads((await door.get("/openapi.json", key=None)).raw)["info"]["title"] == "Signoff"
