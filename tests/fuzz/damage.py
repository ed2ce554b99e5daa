"""How good inputs are damaged: bytes are cut, turned and repeated, and JSON values exchanged for bad ones."""

import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

TOKENS = (
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x1b[31m",
        b"\n",
        b"\r",
        b'"',
        b"'",
        b"\\",
        b"\\ud800",
        b"%s",
        b"{0}",
    ),
    *(b"[", b"]", b"{", b"}", b"(", b")", b",", b":", b"|", b"~", b"+", b"-", b"_", b"#", b"=", b"<"),
    *(
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"1e-400",
        b"9" * 400,
        b"0x1",
        b"1_0",
        b"None",
        b"range(9)",
    ),
    *(b"__import__('os').system('touch PWNED')", b"../../../../tmp/PWNED", b"/etc/passwd", b"$(touch PWNED)", b"{{1}}"),
    *(b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"a" * 20_000, b"\0" * 20_000, b" " * 20_000),
)
"""What is put in somewhere."""

NESTED = "nested deeply, to be filled in"

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 63, 64, 2**31, -(2**31), 2**53, 2**63, 2**64, 10**300, -(10**300)),
    *(0.0, -0.0, 0.5, -1.5, 1e-300, 1e300, -1e300, 5e-324, float("nan"), float("inf"), float("-inf")),
    *("", " ", "a", "0", "none", "skip_connect", "\0", "\n", "\x1b[2J", "\ud800", "é" * 101, "x" * 5000, "../x", "%s"),
    *([], {}, [[]], [None], {"": ""}, [0] * 100, [[0, 1]] * 5000, {str(n): n for n in range(500)}, NESTED),
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes], *, least: int = 1) -> bytes:
    """One of `seeds` after `least` to four accidents."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(least, 4))):
        content = draw(_accidents(content, seeds))
    return content


@st.composite
def _accidents(draw: st.DrawFn, content: bytes, seeds: Sequence[bytes]) -> bytes:
    start = draw(st.integers(0, len(content)))
    # Mostly a few bytes, sometimes any number.
    stop = min(len(content), start + draw(st.integers(0, 8) | st.integers(0, max(len(content), 8))))
    before, inside, after = content[:start], content[start:stop], content[stop:]
    match draw(st.sampled_from(("cut", "end", "turn", "put", "write", "repeat", "move", "splice"))):
        case "cut":
            return before + after
        case "end":
            return before
        case "turn":
            return (
                before + bytes(byte ^ draw(st.sampled_from((1, 128, 255))) for byte in inside[:4]) + inside[4:] + after
            )
        case "put":
            return before + draw(st.sampled_from(TOKENS)) + inside + after
        case "write":
            return before + draw(st.binary(max_size=16)) + after
        case "repeat":
            return before + inside * min(draw(st.sampled_from((2, 3, 100))), 1 + 50_000 // (1 + len(inside))) + after
        case "move":
            return before + after + inside
        case _:
            other = draw(st.sampled_from(seeds))
            return before + other[draw(st.integers(0, len(other))) :]


@st.composite
def exchanged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds`, which are JSON, after values in it were exchanged, left out, renamed or written twice."""
    content = json.loads(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        content = draw(_exchanges(content))
    text = json.dumps(content)
    if NESTED in text:
        depth = draw(st.sampled_from((50, 127, 128, 900, 5000, 100_000)))
        opening, closing = draw(st.sampled_from((("[", "]"), ('{"a":', "}"))))
        text = text.replace(json.dumps(NESTED), opening * depth + "0" + closing * depth, 1)
    if draw(st.integers(0, 9)) == 0 and (keys := re.findall(r'"\w+": ', text)):
        key = draw(st.sampled_from(keys))
        text = text.replace(key, key + draw(st.sampled_from(("null, ", "[], ", "0, "))) + key, 1)
    return text.encode()


@st.composite
def _exchanges(draw: st.DrawFn, value: Any) -> Any:
    """The value with one thing in it changed, at any depth."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 7)):
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        copy = value.copy()
        match draw(st.sampled_from(("into", "into", "into", "into", "out", "more"))):
            case "into":
                copy[key] = draw(_exchanges(value[key]))
            case "out":
                del copy[key]
            case _ if isinstance(copy, dict):
                copy[draw(st.sampled_from(("", "format", "x" * 300, str(key) + " ")))] = copy[key]
            case _:
                copy += [copy[key]] * draw(st.sampled_from((1, 70)))
        return copy
    return draw(st.sampled_from(VALUES))
