#!/bin/sh
# redis-py: a client made by its URL tries once where the same client made by host and port tries eleven times.
#
# Redis(host=..., port=...) and Redis.from_url("redis://host:port") name the same server, and nothing in from_url's
# description says that they differ otherwise. By default there are ten retries, with growing pauses; so one
# would guess of both.
#
# A client made by its URL, or over a pool of connections, has no retries at all. Whoever moves an address from two
# settings to one URL loses them without a word, and whoever moves it back waits for seconds where an error came at
# once. A program with a deadline, as a mail filter has, says `retry=` itself, in both forms.
#
# The server here takes each connection and closes it, as one does that is being restarted.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" -q install redis==8.1.0; } >&2 || exit 69

cat > "$folder/recorded" <<'END'
redis-py 8.1.0
connections for one GET  client
11                       Redis(host=, port=)
1                        Redis.from_url()
1                        Redis(connection_pool=ConnectionPool(host=, port=))
3                        Redis.from_url(retry=Retry(NoBackoff(), 2))
END

"$folder/venv/bin/python" - > "$folder/seen" <<'END'
import socket
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
taken = []


def close_all():
    while True:
        connection, client = server.accept()
        taken.append(client)
        connection.close()


threading.Thread(target=close_all, daemon=True).start()
where = {"host": "127.0.0.1", "port": port}
url = f"redis://127.0.0.1:{port}"
clients = {
    "Redis(host=, port=)": redis.Redis(**where),
    "Redis.from_url()": redis.Redis.from_url(url),
    "Redis(connection_pool=ConnectionPool(host=, port=))": redis.Redis(connection_pool=redis.ConnectionPool(**where)),
    "Redis.from_url(retry=Retry(NoBackoff(), 2))": redis.Redis.from_url(url, retry=Retry(NoBackoff(), 2)),
}
print("redis-py", redis.__version__)
print("connections for one GET  client")
for title, client in clients.items():
    taken.clear()
    try:
        client.get("key")
    except redis.ConnectionError:
        print(f"{len(taken):<23}  {title}")
END

cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
