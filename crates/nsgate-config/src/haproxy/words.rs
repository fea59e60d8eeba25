//! The words of a line, as haproxy splits them (haproxy configuration manual, 2.2 "Quoting and escaping").

use crate::report::Place;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The text with quotes and escapes resolved.
    pub(super) text: String,
    /// Its place in the file.
    pub(super) place: Place,
}

/// Splits one line into words. A `#` begins a comment, quotes hold words together, a backslash keeps the next character.
/// Environment variables are not expanded: a `$` inside double quotes is refused, since haproxy would put something
/// else in its place.
pub(super) fn split(line: &str, number: usize) -> Result<Vec<Word>, (Place, &'static str)> {
    let mut words = Vec::new();
    let mut chars = line.chars().enumerate().peekable();
    while let Some((start, first)) = chars.peek().copied() {
        if first.is_whitespace() {
            chars.next();
            continue;
        }
        if first == '#' {
            break;
        }
        let mut text = String::new();
        let mut quote = None;
        let mut end = start;
        while let Some((index, c)) = chars.peek().copied() {
            if quote.is_none() && (c.is_whitespace() || c == '#') {
                break;
            }
            chars.next();
            end = index + 1;
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                (Some('"'), '$') => return Err((at(number, index, 1), "environment variables are not expanded")),
                (None | Some('"'), '\\') => match chars.next() {
                    Some((index, next)) => {
                        text.push(next);
                        end = index + 1;
                    }
                    None => return Err((at(number, index, 1), "the line ends after a backslash")),
                },
                (_, '\0') => return Err((at(number, index, 1), "the line contains a NUL byte")),
                (_, c) => text.push(c),
            }
        }
        if quote.is_some() {
            return Err((at(number, start, end - start), "the quote is not closed on this line"));
        }
        words.push(Word { text, place: at(number, start, end - start) });
    }
    Ok(words)
}

fn at(line: usize, index: usize, length: usize) -> Place {
    Place { line, column: index + 1, length: length.max(1) }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn texts(line: &str) -> Vec<String> {
        split(line, 1).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_quotes_escapes_and_comments() {
        assert_eq!(texts("  bind 1.2.3.4:80  # here"), ["bind", "1.2.3.4:80"]);
        assert_eq!(texts(r#"log-tag "a b" 'c d' e\ f"#), ["log-tag", "a b", "c d", "e f"]);
        assert!(texts("   # nothing").is_empty());
    }

    #[test]
    fn places_are_in_characters() {
        let words = split("  ä bind", 7).unwrap();
        assert_eq!((words[1].place.line, words[1].place.column, words[1].place.length), (7, 5, 4));
    }

    #[test]
    fn open_quotes_and_variables_are_refused() {
        for line in ["a \"b", "a 'b", "a \\", "a \"$HOME\""] {
            assert!(split(line, 1).is_err(), "{line}");
        }
    }
}
