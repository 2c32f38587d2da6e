"""Stands where the daemons are, in a network where their addresses are local, and cuts connections at a byte.

  proxy.py SERVER_NETNS ADDRESS:PORT... < PLAN

A line of PLAN is `up N` or `down N`: the next connection is cut after N bytes to or from the daemon; connections beyond the plan are
left alone. A line `go` prints how many connections were cut since the last, and begins a new plan with the lines after it.
"""
import asyncio, ctypes, os, socket, sys

LIBC = ctypes.CDLL(None, use_errno=True)
HERE_NS = os.open("/proc/self/ns/net", os.O_RDONLY)
THERE_NS = os.open(sys.argv[1], os.O_RDONLY)
plan, cut = [], 0


def there():
    """A socket of the daemons' network."""
    if LIBC.setns(THERE_NS, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    try:
        return socket.socket()
    finally:
        if LIBC.setns(HERE_NS, 0x40000000):
            os._exit(3)


async def copy(reader, writer, limit, end):
    global cut
    done = 0
    try:
        while True:
            data = await reader.read(65536) if limit is None or done < limit else b""
            if limit is not None and done + len(data) >= limit:
                writer.write(data[:limit - done])
                await writer.drain()
                cut += 1
                break
            if not data:
                break
            done += len(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    end()


def serve(address, port):
    async def accepted(reader, writer):
        way, limit = plan.pop(0) if plan else (None, None)
        s = there()
        s.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(s, (address, port))
        except OSError:
            s.close()
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection(sock=s)

        def end():
            writer.close()
            up_writer.close()
        await asyncio.gather(copy(reader, up_writer, limit if way == "up" else None, end), copy(up_reader, writer, limit if way == "down" else None, end))
    return asyncio.start_server(accepted, address, port)


async def main():
    global plan, cut
    for place in sys.argv[2:]:
        address, port = place.rsplit(":", 1)
        await serve(address, int(port))
    print("ready", flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := (await orders.readline()).split():
        if line[0] == b"go":
            print(cut, flush=True)
            plan, cut = [], 0
        else:
            plan.append((line[0].decode(), int(line[1])))


asyncio.run(main())
