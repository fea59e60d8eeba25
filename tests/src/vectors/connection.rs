//! Hop-by-hop headers, upgrades, expectations and ranges: headers for the next neighbour alone.

use super::{ADDRESS, Honest, PATH, UUID, Vector, bad_post, get_with, good_post};

pub(super) fn all() -> Vec<Vector> {
    let dropped = |what: &str, lines: &str| {
        Vector::clean(format!("connection: {what}"), get_with(lines.as_bytes()), Honest::get())
    };
    let refused = |what: &str, status: u16, lines: &str| {
        Vector::refused(format!("connection: {what}"), status, get_with(lines.as_bytes()))
    };
    let forged = format!("X-Forwarded-For: {ADDRESS}\r\nX-Neutron-Network-ID: {UUID}\r\nX-OVN-Network-ID: {UUID}\r\n");
    let body = b"Content-Length: 5\r\nConnection: close\r\n";
    let expect = |what: &str, value: &str| {
        let lines = [b"Expect: ", value.as_bytes(), b"\r\n", &body[..]].concat();
        bad_post(&format!("connection: Expect, {what}"), 417, &lines, b"hello")
    };
    vec![
        dropped(
            "nominates the true identity",
            "Connection: x-forwarded-for, x-neutron-network-id, x-ovn-network-id\r\n",
        ),
        dropped(
            "nominates the identity, upper case",
            "Connection: X-FORWARDED-FOR, X-NEUTRON-NETWORK-ID, X-OVN-NETWORK-ID\r\n",
        ),
        dropped("nominates Host", "Connection: Host\r\n"),
        dropped(
            "nominates everything, forged",
            &format!("{forged}Connection: x-forwarded-for, x-neutron-network-id\r\n"),
        ),
        dropped("nominates under Proxy-Connection", "Proxy-Connection: x-forwarded-for\r\n"),
        dropped("many words", &format!("Connection: {}\r\n", "a, ".repeat(500))),
        dropped("empty", "Connection:\r\n"),
        dropped("only commas", "Connection: ,,,\r\n"),
        dropped("an odd word", "Connection: @@@\r\n"),
        dropped("keep-alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5, max=1000\r\n"),
        dropped("Proxy-Connection", "Proxy-Connection: keep-alive\r\n"),
        dropped("Keep-Alive alone", "Keep-Alive: 300\r\n"),
        dropped("TE", "TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n"),
        dropped("Trailer", "Trailer: X-Forwarded-For\r\n"),
        dropped("Via", "Via: 1.1 10.0.0.99\r\n"),
        dropped("Max-Forwards", "Max-Forwards: 0\r\n"),
        dropped("Proxy-Authorization", "Proxy-Authorization: Basic YTpi\r\n"),
        dropped("Range", "Range: bytes=0-0, 5-, -1\r\n"),
        dropped("If-Range", "If-Range: \"a\"\r\nRange: bytes=0-\r\n"),
        dropped("X-HTTP-Method-Override", "X-HTTP-Method-Override: DELETE\r\n"),
        dropped("X-Original-URL", "X-Original-URL: /secret\r\nX-Rewrite-URL: /secret\r\n"),
        dropped("Proxy", "Proxy: http://10.0.0.99/\r\n"),
        dropped("Script-Name and Remote-Addr", "SCRIPT_NAME: /a\r\nREMOTE_ADDR: 10.0.0.99\r\nREMOTE-USER: root\r\n"),
        dropped("Upgrade to a websocket", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"),
        dropped(
            "Upgrade to h2c",
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        ),
        dropped("Upgrade to h2c, not nominated", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
        dropped("Upgrade to TLS", "Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n"),
        dropped("Upgrade without Connection", "Upgrade: websocket\r\n"),
        dropped("Upgrade, empty", "Upgrade:\r\n"),
        dropped("Upgrade, many", "Upgrade: a, b/1, c\r\nUPGRADE: d\r\n"),
        dropped("Connection: upgrade alone", "Connection: upgrade\r\n"),
        dropped("Connection: a, UPGRADE", "Connection: a ,\tUPGRADE\r\n"),
        dropped("HTTP2-Settings alone", "HTTP2-Settings: a\r\n"),
        dropped(
            "Upgrade that nominates every identity",
            &format!("{forged}Upgrade: h2c\r\nConnection: upgrade, x-forwarded-for, x-neutron-network-id\r\n"),
        ),
        refused("Upgrade under a space", 400, "Upgrade : websocket\r\n"),
        good_post(
            "connection: Expect, 100-continue",
            &[b"Expect: 100-continue\r\n", &body[..]].concat(),
            b"hello",
            b"hello",
        ),
        good_post(
            "connection: Expect, upper case",
            &[b"EXPECT: 100-CONTINUE\r\n", &body[..]].concat(),
            b"hello",
            b"hello",
        ),
        dropped("Expect without a body", "Expect: 100-continue\r\n"),
        good_post(
            "connection: Expect, underscored",
            &[b"Ex_pect: 100-continue\r\n", &body[..]].concat(),
            b"hello",
            b"hello",
        ),
        expect("unknown", "magic"),
        expect("100-continue and more", "100-continue, magic"),
        expect("empty", ""),
        expect("a parameter", "100-continue;a=b"),
        expect("y 100-continue", "y 100-continue"),
        expect("200-ok", "200-ok"),
        Vector::clean(
            "connection: Expect in HTTP/1.0",
            format!("GET {PATH} HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
            Honest::get(),
        ),
        dropped("every identity at once", &forged),
    ]
}
