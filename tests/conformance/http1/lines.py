"""Request lines: method, target, version, and Host, which belongs to the target."""

from conformance.asked import Asked, Fields
from conformance.http1.table import Row, get, last, message, refused, taken

LINE = "RFC 9112, section 3"
METHOD = "RFC 9110, section 9.1"
TARGET = "RFC 9112, section 3.2"
ORIGIN = "RFC 9112, section 3.2.1"
ABSOLUTE = "RFC 9112, section 3.2.2"
AUTHORITY = "RFC 9112, section 3.2.3"
ASTERISK = "RFC 9112, section 3.2.4"
ESCAPES = "RFC 3986, section 2.1"
VERSION = "RFC 9112, section 2.3"
EMPTY_LINES = "RFC 9112, section 2.2"

ROOT = Asked("GET", "/")


def line(text: str) -> bytes:
    return message(text, "Host: a")


def target(text: str, method: str = "GET") -> bytes:
    return line(f"{method} {text} HTTP/1.1")


def host(*values: str, version: str = "1.1") -> bytes:
    return message(f"GET / HTTP/{version}", *(f"Host:{value}" for value in values))


def absolute(text: str, authority: bytes, path: str = "/", query: bytes = b"", raw_host: str = "a") -> Row:
    """Its path is the path, and its authority is the Host, whatever the Host header says."""
    fields: Fields = ((b"x", b"y"), (b"host", authority))
    sent = message(f"GET {text} HTTP/1.1", "X: y", f"Host: {raw_host}")
    return taken(f"absolute target {text}, Host {raw_host}", ABSOLUTE, sent, Asked("GET", path, b"", query, fields))


BAD_LINES = {
    "two spaces behind the method": "GET  / HTTP/1.1",
    "two spaces behind the target": "GET /  HTTP/1.1",
    "a space in the target": "GET /a b HTTP/1.1",
    "a space first": " GET / HTTP/1.1",
    "a space last": "GET / HTTP/1.1 ",
    "a tab behind the method": "GET\t/ HTTP/1.1",
    "a tab behind the target": "GET /\tHTTP/1.1",
    "a vertical tab behind the method": "GET\x0b/ HTTP/1.1",
    "a bare CR behind the method": "GET\r/ HTTP/1.1",
    "a bare CR in the target": "GET /a\rb HTTP/1.1",
    "a bare CR last": "GET / HTTP/1.1\r",
    "a bare LF in the target": "GET /a\nb HTTP/1.1",
    "a bare LF behind the method": "GET\n/ HTTP/1.1",
    "no target": "GET HTTP/1.1",
    "an empty target": "GET  HTTP/1.1",
    "no version": "GET /",
    "a version of nothing": "GET / ",
    "only a method": "GET",
    "a response": "HTTP/1.1 200 OK",
    "NUL first": "\0GET / HTTP/1.1",
    "a byte order mark": "\xef\xbb\xbfGET / HTTP/1.1",
    "TLS": "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
}

UNKNOWN_METHODS = ("FOO", "get", "Get", "GETT", "GE", "!", "M", "CONNECT", *("A" * size for size in (11, 12, 13, 1000)))
NO_METHODS = ("G:T", "G\xcbT", "G(T", "G\x00T", "G\x7fT", '"GET"', "@" + "A" * 1000)
PASSED_METHODS = ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "QUERY", "PURGE")

NO_TARGETS = (
    "a", "a/b", "a:80", "?a", "#a", ".", "*", "*/", "/#", "/a#b", "/?a#b", "http:", "http:/", "http:/a", "http://",
    "http:///", "http://?a", "http://:80/", "http://a:x/", "http://a:80:80/", "http://a#b", "http://a/#b", "http://u@a/",
    "http://u:p@a/", "http://a@b@c/", "http://[::1/", "http://::1/", "http://a\\b/", "http://a%/", "http://a%2/", "https://",
    "ftp://a/", "ws://a/", "file:///etc/passwd", "javascript:alert(1)", "urn:a:b", "xhttp://a/",
)  # fmt: skip

# Targets, and what is in them: a path and a query.
PATHS = {
    "/": ("/", b""),
    "/?": ("/", b""),
    "/a/b?c=d&e": ("/a/b", b"c=d&e"),
    "//a": ("//a", b""),
    "///": ("///", b""),
    "/*": ("/*", b""),
    "/a:b@c": ("/a:b@c", b""),
    "/../../etc": ("/../../etc", b""),
    "/a//b/./": ("/a//b/./", b""),
    "/http://b/": ("/http://b/", b""),
    "/?http://b/": ("/", b"http://b/"),
    "/a;b,c!$&'()+=": ("/a;b,c!$&'()+=", b""),
    '/"<>\\^`{|}[]': ('/"<>\\^`{|}[]', b""),
    "/%20%41%7e": ("/ A~", b""),
    "/%2f%2F%3f%23": ("///?#", b""),
    "/%25%32%35": ("/%25", b""),
    "/%c3%A9": ("/\xe9", b""),
    "/%0d%0a%1b": ("/\r\n\x1b", b""),
    "/%ff": ("/\N{REPLACEMENT CHARACTER}", b""),
    "/?%zz%00%": ("/", b"%zz%00%"),
}

BAD_ESCAPES = ("/%", "/%2", "/%zz", "/%2g", "/%g2", "/a%", "/%%20", "/%u0041", "/%+1", "/%-1", "/%00", "/a%00b")

VERSIONS = {
    "HTTP/0.9": 505, "HTTP/2.0": 505, "HTTP/2.1": 505, "HTTP/3.0": 505, "HTTP/9.9": 505, "HTTP/0.0": 505,
    "HTTP/1.10": 400, "HTTP/1.01": 400, "HTTP/01.1": 400, "HTTP/11.1": 400, "HTTP/1": 400, "HTTP/1.": 400,
    "HTTP/.1": 400, "HTTP/2": 400, "HTTP/1,1": 400, "HTTP/1.1x": 400, "HTTP/1.x": 400, "HTTP/-1.1": 400,
    "HTTP/+1.1": 400, "HTTP 1.1": 400, "HTTP\\1.1": 400, "http/1.1": 400, "Http/1.1": 400, "HTTPS/1.1": 400,
    "HTP/1.1": 400, "xHTTP/1.1": 400, "HTTP/1.\xb9": 400, "1.1": 400, "ICE/1.0": 400, "RTSP/1.0": 400, "SIP/2.0": 400,
}  # fmt: skip

HOSTS = (
    "", "a", "A.example", "a:80", "a:", "a-b_c.d~e", "127.0.0.1:8000", "[::1]", "[::1]:80", "[v1.x:y]", "a%2Db", "a.",
    "!$&'()*+,;=",
)  # fmt: skip
NO_HOSTS = (
    "a b", "a, b", "a:b", "a:80:80", "a:-1", "a:+1", ":80", ":", "::1", "[::1", "::1]", "[::1]x", "[g]", "[]", "a/",
    "a/b", "/", "a?b", "a#b", "u@a", "http://a", "a\\b", "a%", "a%2", "a%zz", '"a"', "<a>", "{a}", "a|b", "\xe4",
    "a\xa0", "a\tb",
)  # fmt: skip

TABLE = [
    # The line
    *(refused(f"line: {name}", LINE, line(text)) for name, text in BAD_LINES.items()),
    taken("an empty line first", EMPTY_LINES, b"\r\n" + get(), ROOT),
    taken("empty lines first", EMPTY_LINES, b"\r\n" * 5 + get() + b"\r\n" * 3, ROOT),
    refused("a bare LF first", EMPTY_LINES, b"\n" + get()),
    refused("a bare CR first", EMPTY_LINES, b"\r" + get()),
    refused("CR CR LF first", EMPTY_LINES, b"\r\r\n" + get()),
    # The method
    *(
        refused(f"method {text[:4]} of {len(text)} letters", METHOD, line(f"{text} / HTTP/1.1"), 501)
        for text in UNKNOWN_METHODS
    ),
    *(refused(f"not a method: {text[:12]!r}", METHOD, line(f"{text} / HTTP/1.1")) for text in NO_METHODS),
    *(taken(f"method {text}", METHOD, line(f"{text} /x HTTP/1.1"), Asked(text, "/x")) for text in PASSED_METHODS),
    # The target
    *(
        taken(f"target {text}", ORIGIN, target(text), Asked("GET", path, b"", query))
        for text, (path, query) in PATHS.items()
    ),
    *(refused(f"target {text}", TARGET, target(text)) for text in NO_TARGETS),
    *(
        refused(f"0x{byte:02x} in a target", TARGET, target(f"/a{chr(byte)}b"))
        for byte in (*range(0x21), *range(0x7F, 0x100))
    ),
    *(refused(f"escape in {text}", ESCAPES, target(text)) for text in BAD_ESCAPES),
    *(refused(f"escape in http://a{text}", ESCAPES, target(f"http://a{text}")) for text in BAD_ESCAPES),
    taken("asterisk", ASTERISK, target("*", "OPTIONS"), Asked("OPTIONS", "*")),
    refused("more than an asterisk", ASTERISK, target("*a", "OPTIONS")),
    refused("asterisk with a query", ASTERISK, target("*?a", "OPTIONS")),
    refused("authority in OPTIONS", AUTHORITY, target("a:80", "OPTIONS")),
    refused("authority in CONNECT", AUTHORITY, target("a:80", "CONNECT"), 501),
    refused("path in CONNECT", AUTHORITY, target("/", "CONNECT"), 501),
    absolute("http://b", b"b"),
    absolute("http://b/", b"b"),
    absolute("http://b/c%20d?e", b"b", "/c d", b"e"),
    absolute("http://b?c=/d", b"b", "/", b"c=/d"),
    absolute("http://b/?http://c/", b"b", "/", b"http://c/"),
    absolute("HTTP://B:8000//c", b"B:8000", "//c"),
    absolute("https://b/", b"b"),
    absolute("http://[::1]:80/", b"[::1]:80"),
    absolute("http://b/", b"b", raw_host=""),
    absolute("http://b/", b"b", raw_host="b"),
    refused("absolute target, no Host", TARGET, message("GET http://b/ HTTP/1.1", "X: y")),
    refused("absolute target, two Hosts", TARGET, message("GET http://b/ HTTP/1.1", "Host: b", "Host: b")),
    refused("absolute target, bad Host", TARGET, message("GET http://b/ HTTP/1.1", "Host: a b")),
    last("absolute target in HTTP/1.0, no Host", ABSOLUTE, message("GET http://b/c HTTP/1.0", "X: y"),
         Asked("GET", "/c", fields=((b"host", b"b"), (b"x", b"y")))),
    # The version
    *(refused(f"version {text}", VERSION, line(f"GET / {text}"), status) for text, status in VERSIONS.items()),
    taken("version HTTP/1.2", "RFC 9110, section 2.5", line("GET / HTTP/1.2"), ROOT),
    taken("version HTTP/1.9", "RFC 9110, section 2.5", line("GET / HTTP/1.9"), ROOT),
    refused("version HTTP/1.2, no Host", TARGET, message("GET / HTTP/1.2")),
    refused("the preface of HTTP/2 in HTTP/1.1", "RFC 9113, section 3.4", line("PRI * HTTP/1.1")),
    # Host
    *(
        taken(f"Host {text}", TARGET, host(f" {text} "), ROOT._replace(fields=((b"host", text.encode()),)))
        for text in HOSTS
    ),
    *(refused(f"no Host: {text!r}", TARGET, host(f" {text}")) for text in NO_HOSTS),
    *(refused(f"no Host in HTTP/1.0: {text!r}", TARGET, host(f" {text}", version="1.0")) for text in NO_HOSTS[:3]),
    refused("without Host", TARGET, host()),
    refused("two Hosts, the same", TARGET, host(" a", " a")),
    refused("two Hosts", TARGET, host(" a", " b")),
    refused("two Hosts, one empty", TARGET, host(" a", "")),
    refused("two Hosts in HTTP/1.0", TARGET, host(" a", " b", version="1.0")),
    last("without Host in HTTP/1.0", TARGET, host(version="1.0"), ROOT),
    last("Host in HTTP/1.0", TARGET, host(" b", version="1.0"), ROOT._replace(fields=((b"host", b"b"),))),
    refused("Host_ is no Host", TARGET, message("GET / HTTP/1.1", "Host_: a")),
]  # fmt: skip
