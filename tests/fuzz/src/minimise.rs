//! A shorter input of which the same is true.

/// Leaves out what can be left out, larger pieces first, with at most `tries` questions.
pub fn minimise(input: &[u8], tries: usize, mut still: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut left = tries;
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            if left == 0 {
                return best;
            }
            left -= 1;
            let end = (at + size).min(best.len());
            let shorter = [&best[..at], &best[end..]].concat();
            if still(&shorter) {
                best = shorter;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    best
}
