"""The part of stamp.c that the host needs: where a write went, so that a test can damage exactly that."""

MASK = (1 << 64) - 1


def mix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def hash3(a, b, c):
    return mix(mix((a * 0x2545F4914F6CDD1D & MASK) ^ b) ^ c)


def place_of(seed, seq, area):
    """The block that write number seq of `stamp blocks` goes to, counted from the area's beginning."""
    return hash3(seed, 0x706C6163, seq) % area
