//! Bytes as a source of choices: equal bytes give equal choices, and after the last they are all the first.

/// What is left of the bytes.
#[derive(Debug)]
pub(crate) struct Source<'d>(&'d [u8]);

impl<'d> Source<'d> {
    pub(crate) fn of(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number less than `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn is(&mut self) -> bool {
        self.below(2) == 1
    }

    /// At most `most` bytes.
    pub(crate) fn take(&mut self, most: usize) -> &'d [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Some characters.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.take(24)).into_owned()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.0)
    }
}
