//! SIGHUP: the reader reads the text again. It is checked here as at the start, and its instances hold from the next request on.
//!
//! Promises that connections stay open, that a text with an error changes nothing and its errors are logged with their places,
//! and that the text at the time of the last signal counts.

use crate::{reread::FileReader, sys};
use nsgate_config::{Diagnostic, HostConfig, Severity, haproxy};
use nsgate_forwarder::InstanceTable;
use nsgate_launcher::{ConfigText, ReaderAnswer, ReaderPipes};
use std::{path::Path, sync::Arc, time::Instant};
use tokio::sync::Notify;

/// Most lines about one text: a system log takes few at once (`max_dgram_qlen`, unix(7)).
const SAID: usize = 5;

/// Takes over later texts.
pub(crate) struct Reload {
    reader: ReaderPipes,
    file: String,
    written: HostConfig,
    directory: InstanceTable,
    known: usize,
}

impl Reload {
    /// `written` is the text of the start, and `known` the number of its instances.
    pub(super) fn new(
        reader: ReaderPipes,
        file: &Path,
        written: HostConfig,
        directory: InstanceTable,
        known: usize,
    ) -> Self {
        Self { reader, file: file.display().to_string(), written, directory, known }
    }

    /// Takes over the text at each notification. Returns the reason when that is no longer possible.
    pub(crate) async fn follow(self, asked: Arc<Notify>) -> String {
        let Self { reader, file, written, directory, mut known } = self;
        let mut reader = match FileReader::new(reader) {
            Ok(reader) => reader,
            Err(reason) => return reason,
        };
        loop {
            tokio::select! {
                biased;
                reason = reader.ends() => return reason,
                () = asked.notified() => {}
            }
            let begun = Instant::now();
            let outcome = match reader.read().await {
                Ok(ReaderAnswer::Text(text)) => take_over(&file, &text, &written, &directory),
                Ok(ReaderAnswer::Refused(reason)) => Err(vec![format!("{file}: {reason}")]),
                Err(reason) => return reason,
            };
            match outcome {
                Ok(number) => {
                    let milliseconds = begun.elapsed().as_millis();
                    tracing::info!("SIGHUP: {number} instances instead of {known}, after {milliseconds} ms");
                    known = number;
                }
                Err(reasons) => {
                    tracing::error!("SIGHUP changes nothing: {known} instances are served as before");
                    reasons.iter().take(SAID).for_each(|reason| tracing::error!("{reason}"));
                    if let Some(more @ 1..) = reasons.len().checked_sub(SAID) {
                        tracing::error!("{more} more are wrong: `haproxy -c -f {file}` says all of them");
                    }
                }
            }
            // Return the memory that reading has taken.
            sys::give_back();
        }
    }
}

/// Takes over a text: the number of its instances, or all its errors.
fn take_over(
    file: &str,
    text: &ConfigText,
    written: &HostConfig,
    directory: &InstanceTable,
) -> Result<usize, Vec<String>> {
    if !haproxy::is_host_proxy(text) {
        return Err(vec![format!("{file}: there is no `frontend` any more: this is one network's text, not a host's")]);
    }
    let parsed = haproxy::parse_host(file, text).map_err(|errors| {
        errors.0.iter().filter(|one| one.severity == Severity::Error).map(Diagnostic::one_line).collect::<Vec<_>>()
    })?;
    let differences = written.fixed_differences(&parsed.config);
    if !differences.is_empty() {
        let why = "it cannot change while the proxy serves; start it anew";
        return Err(differences.iter().map(|difference| format!("{file}: {difference}: {why}")).collect());
    }
    parsed.warnings.iter().take(SAID).for_each(|warning| tracing::warn!("{}", warning.one_line()));
    let number = parsed.config.proxy.instances.len();
    directory.replace(parsed.config.proxy.instances);
    Ok(number)
}
