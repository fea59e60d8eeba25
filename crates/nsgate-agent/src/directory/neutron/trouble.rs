//! Why a question to Neutron has no answer.

use http::StatusCode;
use std::time::Duration;

/// Why a question to Neutron has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NeutronTrouble {
    /// Neutron gave none.
    #[error("Neutron at {0}: {1}")]
    Neutron(String, RestFault),
    /// Keystone gave none.
    #[error("Keystone at {0}: {1}")]
    Keystone(String, RestFault),
    /// Keystone does not take the password.
    #[error(
        "Keystone at {0} refuses user `{1}` (401): compare user, domains, project and password_file with what it knows"
    )]
    Credentials(String, String),
    /// Neutron does not take a token that Keystone gave.
    #[error("Neutron at {0} answers 401: {1}")]
    Token(String, &'static str),
    /// Neutron's policy forbids the question.
    #[error(
        "Neutron at {0} answers 403: its policy does not let this user list ports; give it the role `service` or `admin`"
    )]
    Policy(String),
    /// There were too many questions.
    #[error("too many questions to Neutron are under way: none ended in {} ms", .0.as_millis())]
    Crowded(Duration),
}

/// Why a request to a service has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RestFault {
    /// No connection.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended before the answer did, or what came is not HTTP.
    #[error("no whole answer: {0}")]
    Cut(String),
    /// No answer in time.
    #[error("no answer in time")]
    Silent,
    /// The answer is too long.
    #[error("the answer is longer than {0} bytes")]
    Long(usize),
    /// Another status than the one that an answer has.
    #[error("answers {}{}", .0.as_u16(), hint(*.0))]
    Status(StatusCode),
    /// The answer is not what the service says.
    #[error("the answer is not the service's: {0}; is this its address?")]
    Foreign(String),
    /// The answer goes on and on.
    #[error("the answer has more than {0} pages")]
    Endless(usize),
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..400 | 404 | 405 => ": is this its address?",
        429 => ": it asks for fewer questions",
        502..=504 => ": the service behind it is away",
        500.. => ": its log has the reason",
        _ => "",
    }
}
