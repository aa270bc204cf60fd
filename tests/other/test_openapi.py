"""`toolkit openapi`: the description on standard output or in a file, and what is said of a wrong place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from toolkit import App, OpenApi, Request, Session, openapi_document
from toolkit.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
from toolkit import App, OpenApi
web = App(openapi=OpenApi(title="Shop", version="2"))
other = 3

@web.get("/things")
def things(r):
    "All of them."
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop_to_describe.py").write_text(PROGRAM)
    (tmp_path / "lacking.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "shop_to_describe", raising=False)
    return tmp_path


async def test_a_document_is_the_one_that_is_served() -> None:
    web = App(debug=True)

    @web.get("/x")
    def x(r: Request) -> str:
        return ""

    async with Session(app=web) as http:
        assert orjson.loads((await http.get("/openapi")).content) == openapi_document(web)
    assert openapi_document(App(openapi=False))["paths"] == {}
    assert openapi_document(App(openapi=OpenApi(title="Shop")))["info"] == {"title": "Shop", "version": "0.0.0"}


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "shop_to_describe:web"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert document["info"] == {"title": "Shop", "version": "2"}
    assert document["paths"]["/things"]["get"]["summary"] == "All of them."


def test_it_is_written_to_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "shop_to_describe:web", "-o", "api.json"]) == 0
    assert capsys.readouterr().out == ""
    assert orjson.loads((folder / "api.json").read_text())["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("shop_to_describe", "'shop_to_describe': expected MODULE:NAME, such as shop.main:web"),
        ("shop_to_describe:", "expected MODULE:NAME"),
        ("nowhere.at.all:web", "there is no module 'nowhere' here"),
        ("shop_to_describe:none", "expected an App, and 'none' in shop_to_describe is nothing"),
        ("shop_to_describe:other", "expected an App, and 'other' in shop_to_describe is int"),
    ],
)
def test_a_wrong_place_is_told_in_one_line(place: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", place]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


def test_what_a_module_lacks_is_not_taken_for_the_module() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        main(["openapi", "lacking:web"])
