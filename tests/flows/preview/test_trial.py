"""Looking without publishing: show, try, estimate, types."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import SAMPLES

INVOICE = SAMPLES / "invoices" / "harrow_finch.pdf"


def test_show_holds_the_very_requests(pagemill: Callable, model_server: Callable, tmp_path: Path) -> None:
    with model_server() as server:
        shown = pagemill("show", INVOICE, "--type", "invoice", "--json", **server.environment).json
        assert server.entries("asked") == []
        pagemill("run", INVOICE, "--type", "invoice", "--out", tmp_path / "out", **server.environment)
        ((entry,),) = [server.entries("asked")]
    (request,) = shown["requests"]
    assert request["messages"] == entry["body"]["messages"]
    assert request["schema"] == entry["body"]["response_format"]["json_schema"]["schema"]
    assert [page["page"] for page in shown["pages"]] == [1]
    assert {"sent_as", "reason", "tokens", "hidden_text", "text"} <= set(shown["pages"][0])


def test_try_gives_the_record_with_evidence_publishes_nothing_and_pays_once(
    pagemill: Callable, model_server: Callable, tmp_path: Path
) -> None:
    environment = {"PAGEMILL_CACHE_DIR": str(tmp_path / "cache")}
    with model_server() as server:
        first = pagemill(
            "try", INVOICE, "--type", "invoice", "--json", cwd=tmp_path, **environment, **server.environment
        )
        second = pagemill(
            "try", INVOICE, "--type", "invoice", "--json", cwd=tmp_path, **environment, **server.environment
        )
        assert len(server.entries("asked")) == 1
    truth = json.loads(INVOICE.with_suffix(".json").read_text())
    assert first.json["record"]["number"] == truth["number"]
    assert first.json["status"] == "ok"
    assert {row["match"] for row in first.json["evidence"]} <= {"exact", "normalized"}
    assert first.json["cost_usd"] > 0
    assert second.json["record"] == first.json["record"]
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "model-server.jsonl"}


def test_estimate_takes_a_sample_of_a_large_archive(tmp_path: Path, monkeypatch) -> None:
    from flows.preview import estimate
    from flows.settings import load_settings
    from flows.type_loader import load_type
    from tests.support.archives import invoices

    source = invoices(tmp_path / "in", 30)
    monkeypatch.setattr(estimate, "SAMPLE_ABOVE", 10)
    sampled = estimate.estimate([str(source)], load_type("invoice"), load_settings(), exact=False)
    exact = estimate.estimate([str(source)], load_type("invoice"), load_settings(), exact=True)
    assert (sampled["sampled"], exact["sampled"]) == (10, 30)
    assert sampled["documents"] == exact["documents"] == sampled["requests"] == 30
    assert abs(sampled["prompt_tokens"] / exact["prompt_tokens"] - 1) < 0.02
    assert exact["cost_usd_low"] < exact["cost_usd"] < exact["cost_usd_high"]


def test_types_are_listed_checked_and_drafted(pagemill: Callable, tmp_path: Path) -> None:
    assert "invoice" in pagemill("types").out
    checked = pagemill("types", "check", "invoice").out
    assert "unit_price: decimal128(18, 6)" in checked
    drafted = pagemill("types", "infer", INVOICE.with_suffix(".json"))
    (tmp_path / "drafted.json").write_text(drafted.out)
    assert "harrow_finch_line_items" in pagemill("types", "check", tmp_path / "drafted.json").out


def test_status_tells_the_accounting_and_writes_nothing(pagemill: Callable, samples_out: dict[str, Path]) -> None:
    out = samples_out["invoices"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    figures = pagemill("status", out, "--json").json
    assert {"discovered", "documents", "ok", "partial", "failed", "deferred", "skipped", "cost_usd"} <= set(figures)
    assert (figures["documents"], figures["ok"], figures["partial"]) == (5, 4, 1)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert pagemill("status", out / "invoice").code == 2
