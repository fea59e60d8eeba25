//! The words after `cpu-map` (`cfg_parse_global`, `parse_process_number` and `parse_cpu_set` in src/cfgparse.c, haproxy 2.6).

use super::{arguments::digits, words::Lexeme};
use crate::report::Span;
use std::collections::BTreeSet;

/// Most processes, and most threads (`LONGBITS`).
const MOST_PROCESSES: u32 = 64;
/// Processors are counted from 0 (`CPU_SETSIZE`, sched.h).
const MOST_PROCESSORS: u32 = 1023;

/// The first error in `[auto:]PROCESSES[/THREADS]` and the lists of processors.
pub(super) fn fault(words: &[Lexeme]) -> Option<(Span, String)> {
    let (first, lists) = words.split_first()?;
    let (automatic, name) = first.text.strip_prefix("auto:").map_or((false, first.text.as_str()), |name| (true, name));
    let mut groups = name.splitn(2, '/').map(processes);
    let (Some(Some(processes)), Some(threads)) = (groups.next(), groups.next().unwrap_or(Some(0))) else {
        let message = format!("`{}` names no processes: `all`, `odd`, `even`, 1 to 64 or a range", first.text);
        return Some((first.place, message));
    };
    let mut processors = BTreeSet::new();
    for list in lists {
        for (index, part) in list.text.split(',').enumerate() {
            let Some((from, to)) = range(part).filter(|(_, to)| *to <= MOST_PROCESSORS) else {
                let message = format!("`{}` names no processors: 0 to {MOST_PROCESSORS} or a range", list.text);
                return Some((list.place, message));
            };
            // haproxy 2.6 reads a list up to its first comma.
            if index == 0 {
                processors.extend(from..=to);
            }
        }
    }
    let fits = [processes, threads].iter().any(|count| usize::try_from(*count) == Ok(processors.len()));
    (automatic && !fits).then(|| (first.place, format!("`{}` is not for as many as there are processors", first.text)))
}

/// How many processes or threads a word names.
fn processes(word: &str) -> Option<u32> {
    match word {
        "all" => Some(MOST_PROCESSES),
        "odd" | "even" => Some(MOST_PROCESSES / 2),
        _ => range(word).filter(|(from, to)| *from >= 1 && *to <= MOST_PROCESSES).map(|(from, to)| to - from + 1),
    }
}

/// `3` or `1-4`, the smaller end first.
fn range(text: &str) -> Option<(u32, u32)> {
    let end = |text: &str| digits(text).filter(|_| !text.is_empty());
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (end(from)?, end(to)?),
        None => (end(text)?, end(text)?),
    };
    Some((from.min(to), from.max(to)))
}
