//! What other detectors score on the same series, from the scores that their authors published.

use orion_nab::Corpus;

/// A detector of somebody else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Whether it is told the range of each series beforehand.
    pub is_told: bool,
    /// By profile: standard, low false positives, low false negatives.
    pub scores: [f64; 3],
}

const fn peer(name: &'static str, is_told: bool, scores: [f64; 3]) -> Peer {
    Peer { name, is_told, scores }
}

/// On 31 of the 58 series of version 1.1, with 57 windows.
const ON_31_SERIES: [Peer; 10] = [
    peer("ARTime", true, [78.2, 70.4, 83.1]),
    peer("CAD OSE", true, [74.1, 71.7, 76.9]),
    peer("Numenta HTM", true, [71.2, 65.0, 75.9]),
    peer("KNN CAD", false, [64.4, 50.4, 71.0]),
    peer("Relative Entropy", true, [56.3, 48.8, 60.9]),
    peer("Skyline (earthgecko)", false, [56.1, 45.1, 61.4]),
    peer("Random Cut Forest", false, [52.0, 38.3, 61.0]),
    peer("Twitter ADVec", false, [46.4, 33.2, 52.6]),
    peer("Skyline (Etsy)", false, [37.2, 30.7, 44.1]),
    peer("Windowed Gaussian", false, [36.7, 21.4, 45.2]),
];

/// Those whose scores on these very series are known.
pub fn of(corpus: &Corpus) -> &'static [Peer] {
    let windows: usize = corpus.series.iter().map(|series| series.windows.len()).sum();
    if corpus.series.len() == 31 && windows == 57 { &ON_31_SERIES } else { &[] }
}
