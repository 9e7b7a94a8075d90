"""The adapters whose tools call the notebook."""

import asyncio
from typing import Any

from snakepit_nb.worker import Adapter, current_call, host, tool


class HostUser(Adapter):
    thread_safe = True

    @tool
    def ask(self, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:  # noqa: ANN401 (the host tool's)
        return host[name](*arguments, **keywords)

    @tool
    async def ask_async(self, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401 (as above)
        return await self.context.host[name].aio(*arguments)

    @tool
    async def ask_at_once(self, name: str, number: int) -> list[Any]:
        return await asyncio.gather(*(host[name].aio(each) for each in range(number)))

    @tool
    def names(self) -> list[str]:
        return dir(host)

    @tool
    def ids(self) -> list[str]:
        """Returns its own correlation id, and that of the host tool that it calls."""
        return [current_call().correlation_id, host.correlation()]

    @tool
    def caught(self, name: str) -> str:
        try:
            host[name]()
        except LookupError as error:
            return f"{type(error).__name__} {error}"
        return "nothing"

    @tool
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        return value
