use super::reading::Readings;

/// The last set that the tagging tool put as a whole, whether it was acted on or not.
///
/// The reference alone does not tell a mixture: after group A was served, a whole set of B that waits for the operator,
/// and the first puts of C over it, every PV was put since A.
#[derive(Debug, Default)]
pub struct LastWhole(Option<Readings>);

impl LastWhole {
    /// Takes note of a settled set; gives the whole set that it may be mixed with, to be compared as the reference is.
    pub fn note(&mut self, readings: &Readings, reference: Option<&Readings>) -> Option<&Readings> {
        // What was acted on later counts, though put by hand.
        let is_newer =
            |reference: &Readings, whole: &Readings| reference.0.keys().any(|field| reference.put_since(whole, *field));
        if reference.zip(self.0.as_ref()).is_some_and(|(reference, whole)| is_newer(reference, whole)) {
            self.0 = None;
        }
        let is_whole = match self.0.as_ref().or(reference) {
            Some(before) => readings.put_whole_since(before),
            None => true,
        };
        if is_whole {
            self.0 = Some(readings.clone());
        }
        self.0.as_ref().filter(|whole| *whole != readings)
    }
}
