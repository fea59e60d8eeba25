//! Why a request did not go as the guest wished: one stable word for machines, which says more than a status.

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was answered, by the agent as a rule.
    Passed,
    /// The gate did not let it through.
    Refused,
    /// It was let through, or would have been, and there is no whole answer.
    Failed,
}

impl Verdict {
    /// For a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Reason {
    /// Whether the agent is why a request has no whole answer: it is away, full, silent, or answers wrongly.
    #[must_use]
    pub fn is_agents(self) -> bool {
        matches!(
            self,
            Self::NoTurn
                | Self::AgentFull
                | Self::AgentAway
                | Self::AgentStranger
                | Self::AgentClosed
                | Self::AnswerMalformed
                | Self::AnswerTooLarge
                | Self::AgentSilent
                | Self::AnswerCut
        )
    }
}

macro_rules! reasons {
    ($($variant:ident $name:literal $verdict:ident $meaning:literal;)*) => {
        /// Why a request was not simply carried to the agent and answered. A name never changes its meaning, nor its place
        /// among the others; new ones may come, behind the last.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// For a log: lower-case letters, digits, `-` and `.`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, as half a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// Whose word it was.
            #[must_use]
            pub fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)* }
            }
        }
    };
}

reasons! {
    BareLf "bare-lf" Refused "a line ends with LF alone";
    BareCr "bare-cr" Refused "a CR that does not end a line";
    Nul "nul" Refused "a NUL byte";
    RequestLine "request-line" Refused "the first line is not method, target and version with one space between";
    Version "version" Refused "neither HTTP/1.0 nor HTTP/1.1";
    Method "method" Refused "the method is not a token of at most 32 bytes";
    Connect "connect" Refused "a tunnel was asked for (CONNECT)";
    Target "target" Refused "the target is neither in origin-form nor in absolute-form with `http`, or not in plain ASCII";
    OtherHost "other-host" Refused "a target in absolute-form that names another host than Host";
    FoldedHeader "folded-header" Refused "a header that goes on in the next line (obs-fold)";
    HeaderLine "header-line" Refused "a header without a colon";
    HeaderName "header-name" Refused "a header's name is not a token, or a space follows it";
    HeaderValue "header-value" Refused "a control character in a header's value";
    NoHost "no-host" Refused "HTTP/1.1 without a Host";
    TwoHosts "two-hosts" Refused "more than one Host";
    Host "host" Refused "a byte in Host that no host is written with";
    TwoLengths "two-lengths" Refused "the body's length is said twice";
    Length "length" Refused "Content-Length is not a plain number";
    LengthAndChunks "length-and-chunks" Refused "Content-Length and Transfer-Encoding together";
    TransferEncoding "transfer-encoding" Refused "a transfer coding other than one `chunked`";
    OldChunks "chunks-in-1.0" Refused "Transfer-Encoding in HTTP/1.0";
    FoldedName "folded-name" Refused "a header that decides about the message, spelt with an underscore";
    Chunk "chunk" Refused "a chunk that is not written as one";
    ChunkExtension "chunk-extension" Refused "a chunk extension that is not written as one, or more of them than `limits.head_bytes`";
    Trailer "trailer" Refused "a trailer that is not written as a header, or more of them than `limits` allow headers";
    CutHead "cut-head" Refused "the guest closed its side within the head";
    SlowHead "slow-head" Refused "the head did not arrive within `timeouts.request`";
    SlowBody "slow-body" Refused "the body did not arrive within `timeouts.body`, or nothing for `timeouts.client`";
    TargetTooLong "target-too-long" Refused "the target is beyond `limits.target_bytes`";
    HeadTooLarge "head-too-large" Refused "the head is beyond `limits.head_bytes`";
    TooManyHeaders "too-many-headers" Refused "more headers than `limits.headers`";
    BodyTooLarge "body-too-large" Refused "the body is beyond `limits.body_bytes`";
    DoesNotFit "does-not-fit" Refused "head and body are beyond `limits.backend_request_bytes`, all that the agent reads";
    Expectation "expectation" Refused "an expectation other than 100-continue";
    Rate "rate" Refused "more requests from this source than `rate_limits` allow";
    Statistics "statistics" Refused "the statistics page, which is not served";
    Forwarded "forwarded" Refused "it came through a proxy (`guards.refuse_forwarded`, or it asks for a token)";
    ForeignHost "foreign-host" Refused "Host is none of `guards.hosts`";
    MissingHeader "missing-header" Refused "the header of `guards.require_header` is not there, or has another value";
    MissingToken "missing-token" Refused "no session token, and `guards.tokens` are required";
    WrongToken "wrong-token" Refused "a session token that is not this gate's, not this source's, or too old";
    TokenLife "token-life" Refused "a session token was asked for, and not for 1 to 21600 seconds";
    NoTokenKey "no-token-key" Failed "a session token was asked for, and the gate was given no key to make it with";
    ForbiddenMethod "forbidden-method" Refused "the method is none of `guards.methods`";
    AmbiguousPath "ambiguous-path" Refused "a path that could be read as another one, where `guards` look at paths";
    ForbiddenPath "forbidden-path" Refused "the path is below none of `guards.paths`";
    ExpiredPath "expired-path" Refused "the path is one of `guards.expiring`, and the source's time for it is over";
    Token "token" Passed "a session token, given out by the gate itself";
    UnknownSource "unknown-source" Refused "no instance of this host has the address";
    Monitor "monitor" Passed "answered by the proxy itself at its monitor path";
    NoTurn "no-turn" Failed "no turn at the agent within `timeouts.connect`: too many requests at once";
    AgentFull "agent-full" Failed "the agent's queue stayed full, or the agent did not take the connection, for `timeouts.connect`";
    AgentAway "agent-away" Failed "the agent's socket is missing or refuses, after the retries";
    AgentStranger "agent-stranger" Failed "the user that listens at the agent's socket is not `backend_owner`";
    AgentClosed "agent-closed" Failed "the agent closed without an answer";
    AnswerMalformed "answer-malformed" Failed "the agent's answer is not HTTP, or can be read in two ways";
    AnswerTooLarge "answer-head-too-large" Failed "the head of the agent's answer is beyond 32 KiB";
    AgentSilent "agent-silent" Failed "the agent did not answer within `timeouts.server`, or said nothing for so long within its answer";
    AnswerCut "answer-cut" Failed "the agent's answer ended early";
    GuestLeft "guest-left" Failed "the guest went away before it had its answer";
    SlowGuest "slow-guest" Failed "the guest took nothing of its answer for `timeouts.client`";
    Displaced "displaced" Failed "the guest kept the gate waiting for a second, and others had no room";
    OldConnection "old-connection" Failed "the connection was open for twice `timeouts.connection`";
    GateStopped "gate-stopped" Failed "the gate was told to end at once";
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::HashSet;

    #[test]
    fn a_name_is_a_word_and_no_two_reasons_have_the_same() {
        let names: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        for reason in Reason::ALL {
            assert!(reason.name().bytes().all(plain), "{reason:?}");
            assert!(!reason.meaning().ends_with('.') && !reason.meaning().contains('"'), "{reason:?}");
        }
    }
}
