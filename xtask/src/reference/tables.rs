//! docs/headers.md and docs/dialect.md: the headers that pass, and haproxy's words with a meaning, from the tables that
//! decide it.

use std::fmt::Write;

use nsgate_config::haproxy::{DialectMeaning, dialect};
use nsgate_forwarder::{identity_headers, passing_headers};

/// Which of a guest's headers reach the agent.
pub(super) fn headers() -> String {
    let mut text = "\
# Headers

Written by `cargo xtask reference --write` from the tables of `crates/nsgate-forwarder/src/policy.rs`; a test compares.

## What reaches the agent

A request to the agent has, in this order: the identity header of the network, `X-Forwarded-For` with the address that the guest
really has, a trace context where there is one ([audit.md](audit.md)), and of the guest's own headers these. Of several fields with
one name the first counts. A value that is not visible ASCII is left behind. Last stand `Content-Length`, if there is a body, and
`Connection: close`.

| header | for | without room in `backend_request_bytes` |
|---|---|---|
"
    .to_owned();
    for header in passing_headers() {
        let room = if header.is_required() { "the request is refused: 431, or 413 with a body" } else { "left behind" };
        let _ = writeln!(text, "| `{}` | {} | {room} |", header.name(), header.reason());
    }
    text.push_str(
        "\n## What never does\n\nEvery other header is left behind. A test sees that the following never come into\n\
         the table, under any spelling that a server folds into them. By them, agents, Nova or frameworks take a\n\
         request for another machine's.\n\n",
    );
    text + &identity_headers().map(|name| format!("- `{name}`\n")).collect::<String>()
}

/// What nsgate does with each keyword of haproxy's.
pub(super) fn keywords() -> String {
    let mut text = "\
# The dialect of haproxy

Written by `cargo xtask reference --write` from the tables of `crates/nsgate-config/src/haproxy`; a test compares. It is the part of
haproxy 2.6's language that Neutron's agents have written since Pike, and what deployers put around it. `nsgate check FILE` judges a
file. A keyword that stands in no table is refused with its place, and so are other words behind one that does.

- **understood**: it means to nsgate what it means to haproxy.
- **ignored**: it tunes what nsgate does not have. A warning says so. The words after it must be words that haproxy takes.
- **ignored, not followed**: the same, but haproxy would do something that a gate does not. The warning says what.
- **refused**: it would change who is served or what is trusted.

`listen` and `frontend` take the words of `defaults` as well.
"
    .to_owned();
    let mut section = "";
    for keyword in dialect() {
        if keyword.section != section {
            section = keyword.section;
            let _ = writeln!(text, "\n## {section}\n\n| keyword | is | behind it, or why not |\n|---|---|---|");
        }
        let (is, more) = match keyword.means {
            DialectMeaning::Understood => ("**understood**", String::new()),
            DialectMeaning::Ignored(shape) => ("ignored", shape),
            DialectMeaning::Unfollowed(shape, haproxy) => ("ignored, not followed", format!("{shape}; {haproxy}")),
            DialectMeaning::IgnoredOfLater(shape) => ("ignored; of a later haproxy", shape),
            DialectMeaning::Refused(reason) => ("refused", reason.to_owned()),
            _ => ("", String::new()),
        };
        let _ = writeln!(text, "| `{}` | {is} | {} |", keyword.words, more.replace('|', "\\|"));
    }
    text
}
