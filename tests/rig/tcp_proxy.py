"""A userland proxy, as Docker has one: it takes connections, and makes others from its own address to a container.

Arguments: the address and port to listen on, and those to connect to. It says "ready" when it listens.
"""

import asyncio
import sys


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _main(host: str, port: str, to_host: str, to_port: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(to_host, int(to_port))
        await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))

    server = await asyncio.start_server(connected, host, int(port))
    print("ready", flush=True)  # noqa: T201  the test waits for it
    await server.serve_forever()


asyncio.run(_main(*sys.argv[1:]))
