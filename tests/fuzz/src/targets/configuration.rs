//! What is true of every text that is read as a configuration.

use nsgate_config::{Config, Diagnostic, native};

/// Diagnostics point inside the text, and no terminal obeys them.
pub fn diagnostics(text: &str, all: &[Diagnostic]) {
    // After the last end of line there is one more place.
    let lines: Vec<&str> = text.lines().chain(text.ends_with('\n').then_some("")).collect();
    for diagnostic in all {
        let shown = diagnostic.to_string();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "a control character: {shown:?}");
        assert!(!diagnostic.message.is_empty() && !diagnostic.message.contains('\n'), "{shown:?}");
        assert!(diagnostic.line <= lines.len(), "line {} of {}: {shown}", diagnostic.line, lines.len());
        let Some(line) = diagnostic.line.checked_sub(1).and_then(|index| lines.get(index)) else { continue };
        let width = line.chars().count();
        let (column, length) = (diagnostic.column, diagnostic.length);
        assert!((1..=width + 1).contains(&column), "column {column} of {width}: {shown}");
        assert!(column - 1 + length <= width + 1, "{length} from column {column} of {width}: {shown}");
    }
}

/// What was accepted is written as text that reads back to the same.
pub fn reads_back(config: &Config) {
    let text = native::render(config);
    let again = native::parse("rendered", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(&again.config, config, "{text}");
    assert_eq!(native::render(&again.config), text);
    assert!(!config.gate.listeners.is_empty());
    assert!(!config.gate.timeouts.server.is_zero() && config.gate.limits.connections > 0);
    assert!(config.gate.limits.connections_per_source <= config.gate.limits.connections);
}

/// The files of a directory of this repository.
pub fn files(directory: &str, ending: &str) -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = crate::places::read_all(&path).unwrap_or_default();
    files
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|found| found == ending))
        .map(|(_, b)| b)
        .collect()
}
