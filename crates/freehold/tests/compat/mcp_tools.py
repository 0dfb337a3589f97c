"""An MCP server and its client, both the reference's in Python; the node between them sells the server's tools."""

import asyncio
import json
import os
import socket
import threading
import time

import httpx2 as httpx
import uvicorn
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer

NODE = os.environ["NODE_URL"]
OWNER = {"Authorization": f"Bearer {os.environ['OWNER_TOKEN']}"}
CREDENTIAL = "org.paymentauth/credential"
RECEIPT = "org.paymentauth/receipt"
calls = []

server = MCPServer("Sums")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds."""
    calls.append((a, b))
    return a + b


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no")


def serve() -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    app = server.streamable_http_app()
    config = uvicorn.Config(app, log_level="warning")
    runner = uvicorn.Server(config)
    threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not runner.started:
        time.sleep(0.02)
    return f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"


def post(path: str, body: dict) -> dict:
    answer = httpx.post(f"{NODE}{path}", headers=OWNER, json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


async def challenged(session: ClientSession) -> dict:
    try:
        await session.call_tool("add", {"a": 1, "b": 2})
    except MCPError as error:
        assert error.error.code == -32042, error
        challenges = error.error.data["challenges"]
        return next(one for one in challenges if one["intent"] == "charge")
    raise AssertionError("it was free")


async def buy() -> None:
    async with streamable_http_client(f"{NODE}/mcp") as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            tools = await session.list_tools()
            assert {tool.name for tool in tools.tools} == {"add", "fail"}
            challenge = await challenged(session)
            assert not calls
            invoice = challenge["request"]["methodDetails"]["invoice"]
            preimage = post("/api/sandbox/pay", {"request": invoice})["preimage"]
            meta = {CREDENTIAL: {"challenge": challenge, "payload": {"preimage": preimage}}}
            failed = await session.call_tool("fail", {}, meta=meta)
            assert failed.is_error and not failed.meta, failed
            result = await session.call_tool("add", {"a": 1, "b": 2}, meta=meta)
            assert result.content[0].text == "3", result
            assert result.meta[RECEIPT]["status"] == "success", result
            try:
                await session.call_tool("add", {"a": 1, "b": 2}, meta=meta)
                raise AssertionError("it was served twice")
            except MCPError as error:
                assert error.error.code == -32043, error
    assert calls == [(1, 2)]


offer = {"upstream": serve(), "price_sat": 5, "deposit_sat": 0, "tools": {}}
assert post("/api/offers", offer)["path"] == "/mcp", json.dumps(offer)
asyncio.run(buy())
print("ok")
