//! "Did you mean".

/// Longer words are answered with nothing: nobody meant them, and the search would cost.
const MAX_WORD: usize = 64;
/// How alike two words must be, from 0 to 1.
const ALIKE: f64 = 0.6;

/// The candidate that a misspelt word is most like, where one is like it at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let likeness =
        |candidate: &str| strsim::normalized_damerau_levenshtein(&word, &candidate.to_ascii_lowercase());
    candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_strange_one_is_not() {
        let keys = ["memory", "cpus", "pids"];
        assert_eq!(nearest("memmory", keys), Some("memory"));
        assert_eq!(nearest("CPU", keys), Some("cpus"));
        assert_eq!(nearest("volume", keys), None);
        assert_eq!(nearest(&"memory".repeat(20), keys), None);
    }
}
