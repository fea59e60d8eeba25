//! Merges the metrics pages of several workers into one. The samples of a family must be adjacent (OpenMetrics 1.0,
//! section 4.5); each carries the number of its worker.

use crate::openmetrics::families;
use std::{collections::BTreeMap, fmt::Write};

/// The page of a pool. `pages` are its workers' pages, from the first to the last; `None` if a worker did not answer.
pub(super) fn merge(pages: &[Option<String>]) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for page in pages.iter().flatten() {
        for (name, [kind, help], samples) in families(page) {
            all.entry(name)
                .or_insert_with(|| {
                    order.push(name);
                    format!("# TYPE {kind}\n{help}\n")
                })
                .push_str(samples);
        }
    }
    let mut text = String::from("# TYPE nsgate_worker_up gauge\n# HELP nsgate_worker_up Whether the worker answers.\n");
    for (number, page) in (1..).zip(pages) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "nsgate_worker_up{{worker=\"{number}\"}} {}", u8::from(page.is_some()));
    }
    for name in order {
        text.push_str(all.get(name).map_or("", String::as_str));
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn samples_of_a_family_stand_together() {
        let page = |worker: u32, more: &str| {
            format!(
                "# TYPE a gauge\n# HELP a A.\na{{worker=\"{worker}\"}} 1\n# TYPE b counter\n# HELP b B.\n\
                 b_total{{worker=\"{worker}\"}} 2\n{more}# EOF\n"
            )
        };
        let merged =
            merge(&[Some(page(1, "")), None, Some(page(3, "# TYPE c gauge\n# HELP c C.\nc{worker=\"3\"} 4\n"))]);
        assert_eq!(
            merged,
            "# TYPE nsgate_worker_up gauge\n# HELP nsgate_worker_up Whether the worker answers.\n\
             nsgate_worker_up{worker=\"1\"} 1\nnsgate_worker_up{worker=\"2\"} 0\nnsgate_worker_up{worker=\"3\"} 1\n\
             # TYPE a gauge\n# HELP a A.\na{worker=\"1\"} 1\na{worker=\"3\"} 1\n\
             # TYPE b counter\n# HELP b B.\nb_total{worker=\"1\"} 2\nb_total{worker=\"3\"} 2\n\
             # TYPE c gauge\n# HELP c C.\nc{worker=\"3\"} 4\n# EOF\n"
        );
        assert!(merge(&[None, None]).ends_with("{worker=\"2\"} 0\n# EOF\n"));
    }
}
