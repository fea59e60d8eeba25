//! A guest's bytes, from the strict reader through the HTTP library to the request that the agent gets.

use super::{gates, guest, input::Input};
use crate::Target;
use nsgate_forwarder::fuzzing::Pieces;

/// Four bytes choose gate, peer and pieces; the rest is what the guest sends.
pub const TARGET: Target = Target {
    name: "head",
    promise: "a guest's bytes become the requests that it meant, under the true identity, or a refusal",
    run,
    words: &[
        "GET ",
        "HEAD ",
        "POST ",
        "PUT ",
        "CONNECT ",
        "OPTIONS ",
        "/",
        "/openstack/latest/meta_data.json",
        "?a=b",
        "*",
        "http://x/",
        "HTTP://X:80",
        "http://y?",
        "https://x/",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        " HTTP/1.1\n",
        " HTTP/2.0\r\n",
        "HTTP/0.9",
        "Host: x\r\n",
        "Host: ",
        "Host : x\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: ",
        "Content_Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: ",
        "Transfer-Encoding: identity\r\n",
        "chunked",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: upgrade\r\n",
        "Upgrade: h2c\r\n",
        "\r\n",
        "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "Expect: 100-continue\r\n",
        "HTTP2-Settings: x\r\n",
        "X-Neutron-Network-ID: evil\r\n",
        "X_Neutron_Network_ID: evil\r\n",
        "X-Forwarded-For: 1.2.3.4\r\n",
        "X-Instance-ID: evil\r\n",
        "Forwarded: x\r\n",
        "X-OVN-Network-ID: evil\r\n",
        "X-Tenant-ID: evil\r\n",
        "Content-Type: a/b\r\n",
        "Accept: */*\r\n",
        "User-Agent: curl/8\r\n",
        "Metadata-Flavor: Google\r\n",
        "X-aws-ec2-metadata-token: t\r\n",
        "If-None-Match: x\r\n",
        "Trailer: x\r\n",
        "TE: trailers\r\n",
        "\r\n\r\n",
        "\r\n ",
        "5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    seeds,
    longest: 6000,
};

fn seeds() -> Vec<Vec<u8>> {
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(4000));
    let fields = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "Accept: y\r\n".repeat(120));
    let texts = [
        "GET /openstack HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /openstack/latest/password HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: y\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Neutron-Network-ID: evil\r\nX_Forwarded_For: evil\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET HTTP://X:80?q HTTP/1.1\r\nUpgrade: h2c\r\nHost: x:\r\nHTTP2-Settings: x\r\n\r\n",
        "GET http://x/ HTTP/1.0\r\n\r\n",
        "\r\nPOST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nHost: y\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n\r\n",
        &long,
        &fields,
    ];
    let numbered = |(number, text): (usize, &&str)| [&[number as u8, number as u8, 7, 40], text.as_bytes()].concat();
    texts.iter().enumerate().map(numbered).collect()
}

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (gate, peer) = (gates::gate(input.byte()), gates::peer(input.byte()));
    let lengths = [usize::from(input.byte()), usize::from(input.byte())];
    let answer = match lengths[0] % 4 {
        0 => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        1 => "HTTP/1.0 404 Not Found\n\nuntil the end",
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    let served = guest::serve_and_check(gate, peer, input.0, &lengths, &Pieces::new(answer.as_bytes(), &lengths));
    if let Some(status) = served.refused {
        assert!([400, 413, 414, 417, 431].contains(&status), "{status}");
    }
}
