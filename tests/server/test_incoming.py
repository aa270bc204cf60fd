"""What a request brings is there from the first look, costs nothing before it, and stays its own."""

from __future__ import annotations

from toolkit import App, Request, Session


async def test_nothing_is_made_before_it_is_asked_for() -> None:
    web, seen = App(port=0), list[object]()

    @web.get("/")
    def handler(r: Request) -> str:
        seen.append(r._extra)
        r.params()
        seen.append(r._extra)
        assert r.cookies == {"a": "b"}
        seen.append(r._extra is None)
        return "x"

    async with Session(app=web) as http:
        x = await http.get("/", {"cookie": "a=b"})
        assert (x.status, "set-cookie" in x.headers) == (200, False)
    assert seen == [None, None, False]


async def test_params_of_the_query() -> None:
    web = App(port=0)
    web.get("/")(lambda r: [r.params(), r.params_all().pairs])
    async with Session(app=web) as http:
        assert await (await http.get("/?a=1&b=&a=2")).json() == [
            {"a": "2", "b": ""},
            [["a", "1"], ["b", ""], ["a", "2"]],
        ]
        assert await (await http.get("/")).json() == [{}, []]
