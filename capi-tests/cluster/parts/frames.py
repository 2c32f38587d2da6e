"""Takes a captured direction of a connection apart: banner and frames of msgr2.1, rev1, mode crc."""
import struct

BANNER = b"ceph v2\n"
TAGS = {1: "HELLO", 2: "AUTH_REQUEST", 3: "AUTH_BAD_METHOD", 4: "AUTH_REPLY_MORE", 5: "AUTH_REQUEST_MORE", 6: "AUTH_DONE",
        7: "AUTH_SIGNATURE", 8: "CLIENT_IDENT", 9: "SERVER_IDENT", 10: "IDENT_MISSING_FEATURES", 11: "SESSION_RECONNECT",
        12: "SESSION_RESET", 13: "SESSION_RETRY", 14: "SESSION_RETRY_GLOBAL", 15: "SESSION_RECONNECT_OK", 16: "WAIT",
        17: "MESSAGE", 18: "KEEPALIVE2", 19: "KEEPALIVE2_ACK", 20: "ACK", 21: "COMPRESSION_REQUEST", 22: "COMPRESSION_DONE"}
ENTITIES = {1: "mon", 2: "mds", 4: "osd", 8: "client", 16: "mgr", 32: "auth"}
MESSAGE = 17


class NotPlain(Exception):
    """What follows is no frame of mode crc: the mode is secure, or compressed, or bytes are missing."""


def _table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


TABLE = list(_table())


def crc32c(data, crc=0):
    """As Ceph counts it: the register begins with `crc` and is not inverted in the end."""
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc


def banner(data):
    """(supported features, required features, where the frames begin)"""
    if not data.startswith(BANNER) or len(data) < len(BANNER) + 18:
        raise NotPlain("no banner of msgr2")
    length, supported, required = struct.unpack_from("<HQQ", data, len(BANNER))
    return supported, required, len(BANNER) + 2 + length


def frames(data):
    """Yields (offset, tag, [segments]); ends with the last whole frame, raises NotPlain where plain frames end."""
    _, _, at = banner(data)
    while at + 32 <= len(data):
        tag, count = data[at], data[at + 1]
        crc, = struct.unpack_from("<I", data, at + 28)
        if not 1 <= count <= 4 or crc32c(data[at:at + 28]) != crc:
            raise NotPlain("no plain frame at byte %d" % at)
        lengths = [struct.unpack_from("<I", data, at + 2 + 6 * i)[0] for i in range(count)]
        begin, at = at, at + 32
        segments = []
        for n, length in enumerate(lengths):
            segments.append(data[at:at + length])
            at += length
            if n == 0 and length:
                at += 4
        if count > 1:
            at += 13
        if at > len(data):
            return
        yield begin, tag, segments


def peer(data):
    """Who speaks here, from its HELLO: "client", "osd" and so on, or "?"."""
    try:
        _, tag, segments = next(frames(data))
    except (NotPlain, StopIteration, IndexError):
        return "?"
    return ENTITIES.get(segments[0][0], "?") if tag == 1 and segments[0] else "?"
