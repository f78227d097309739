"""Makes `openai` models that talk to a test's chat server, and asks them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fac_eval.models.openai import OpenAIModel
from fac_eval.vocabulary import Request, Response, Settings, user
from tests.support.clocks import FakeClock

if TYPE_CHECKING:
    from tests.support.chat_server import ChatServer

KEY = "sk-test-0123456789abcdef"
HELLO = Request((user("hello"),), settings=Settings(max_tokens=20))


def make(server: ChatServer, **arguments: Any) -> OpenAIModel:
    """A model of the server, whose waits cost no time."""
    model = OpenAIModel("test-model", **{"base_url": server.base_url, "api_key": KEY, **arguments})
    model.clock = FakeClock()
    return model


def ask(model: OpenAIModel, *requests: Request) -> list[Response]:
    """Ask everything at once, then close the model."""

    async def scenario() -> list[Response]:
        try:
            return list(await asyncio.gather(*(model.generate(request) for request in requests)))
        finally:
            await model.aclose()

    return asyncio.run(scenario())


def slept(model: OpenAIModel) -> list[float]:
    """The waits so far, in seconds."""
    assert isinstance(model.clock, FakeClock)
    return model.clock.slept
