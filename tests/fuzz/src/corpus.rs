//! The kept inputs. Together they reach all that was ever reached, and their number is bounded.

use crate::coverage::Feature;
use crate::places::{is_hash, keep, read_all};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Bounds of one target's directory.
pub const FILES: usize = 300;
/// In bytes.
pub const BYTES: usize = 300 * 1024;
/// Room that the engine leaves for inputs with a name, in files and in bytes.
pub const ROOM: (usize, usize) = (20, 20 * 1024);

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// How many.
    pub files: usize,
    /// How long, together.
    pub bytes: usize,
}

/// How large a corpus is.
///
/// # Errors
/// Which file cannot be read.
pub fn size_of(directory: &Path) -> Result<Size, String> {
    let all = read_all(directory)?;
    Ok(Size { files: all.len(), bytes: all.iter().map(|(_, bytes)| bytes.len()).sum() })
}

/// An input and what it reaches.
struct Input {
    path: PathBuf,
    bytes: Vec<u8>,
    features: Vec<Feature>,
}

/// The inputs that stay.
#[derive(Default)]
struct Chosen {
    paths: HashSet<PathBuf>,
    features: HashSet<Feature>,
    size: Size,
}

/// Adds the `fresh` inputs to the corpus, removes those that reach nothing of their own, and returns the rest.
/// `reach` runs an input.
///
/// # Errors
/// Which file cannot be read, written or removed.
pub fn distil(corpus: &Path, fresh: &Path, mut reach: impl FnMut(&[u8]) -> Vec<Feature>) -> Result<Size, String> {
    let all = read_all(corpus)?.into_iter().chain(read_all(fresh)?);
    let inputs: Vec<Input> = all.map(|(path, bytes)| Input { path, features: reach(&bytes), bytes }).collect();
    let mut chosen = Chosen::default();
    // An input with a name that a person gave stays, even if it reaches nothing new.
    for input in inputs.iter().filter(|input| !is_hash(&input.path)) {
        chosen.add(input);
    }
    // Every edge first. Then, as far as there is room, how often it is taken.
    chosen.complete(&inputs, |(edge, _)| (*edge, 0));
    chosen.complete(&inputs, |feature| *feature);
    for input in &inputs {
        let (stays, old) = (chosen.paths.contains(&input.path), input.path.starts_with(corpus));
        if stays && !old {
            keep(corpus, &input.bytes)?;
        }
        if !stays || !old {
            fs::remove_file(&input.path).map_err(|error| format!("{}: {error}", input.path.display()))?;
        }
    }
    Ok(chosen.size)
}

impl Chosen {
    fn add(&mut self, input: &Input) {
        self.features.extend(&input.features);
        self.paths.insert(input.path.clone());
        self.size.files += 1;
        self.size.bytes += input.bytes.len();
    }

    fn has_room(&self, input: &Input) -> bool {
        self.size.files < FILES - ROOM.0 && self.size.bytes + input.bytes.len() <= BYTES - ROOM.1
    }

    /// Adds the input that reaches most new edges, as long as there is one and there is room.
    fn complete(&mut self, inputs: &[Input], view: fn(&Feature) -> Feature) {
        let mut reached: HashSet<Feature> = self.features.iter().map(view).collect();
        let news = |input: &Input, reached: &HashSet<Feature>| {
            input.features.iter().map(view).filter(|feature| !reached.contains(feature)).count()
        };
        let entry = |(index, input)| (news(input, &reached), Reverse(input.bytes.len()), Reverse(index));
        let mut heap: BinaryHeap<_> = inputs.iter().enumerate().map(entry).collect();
        while let Some((claimed, length, Reverse(index))) = heap.pop() {
            let input = &inputs[index];
            // What is new about an input only becomes less. An input that is still the best is the best of all.
            let actual = news(input, &reached);
            if actual == 0 || !self.has_room(input) {
                continue;
            }
            if actual < claimed {
                heap.push((actual, length, Reverse(index)));
                continue;
            }
            reached.extend(input.features.iter().map(view));
            self.add(input);
        }
    }
}
