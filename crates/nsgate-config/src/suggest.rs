//! "Did you mean": the closest of the accepted words.

/// "Did you mean": the candidate that is at most a third of its length away from `word`, if any.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= candidate.chars().count().div_ceil(3) && distance > 0).then_some(candidate)
}

/// Number of insertions, removals and replacements between two words (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    // A longer word than any keyword is not close to one.
    if left.len() > 64 {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((b, above), diagonal) in right.iter().zip(row.iter().skip(1)).zip(&row) {
            let before = next.last().copied().unwrap_or(0);
            let replaced = diagonal + usize::from(a != *b);
            next.push(replaced.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_the_word_that_was_meant() {
        assert_eq!(closest("maxcon", ["maxconn", "daemon"]), Some("maxconn"));
        assert_eq!(closest("demon", ["maxconn", "daemon"]), Some("daemon"));
        assert_eq!(closest("acl", ["maxconn", "daemon"]), None);
    }
}
