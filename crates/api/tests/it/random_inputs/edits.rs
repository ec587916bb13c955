//! Inputs that are almost valid: a valid one, with a few random edits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// No parser gets longer inputs: a body has at most 64 KiB.
const MAX_BYTES: usize = 70_000;

/// What is inserted, besides single random bytes.
const PIECES: [&[u8]; 40] = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"\t ",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"%",
    b"%00",
    b"%2",
    b"%ff",
    b"&",
    b"=",
    b"+",
    b"-",
    b".",
    b",",
    b":",
    b";",
    b"/",
    b"@",
    b"*",
    b"[",
    b"]",
    b"[::1]",
    b"{",
    b"}",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"9223372036854775808",
    b"99999999999999999999999999999999999999",
    b":65536",
    b"W/",
    b"bytes=",
    "ä".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{10ffff}".as_bytes(),
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index, usize),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let piece = prop_oneof![
            select(&PIECES[..]).prop_map(<[u8]>::to_vec),
            any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop_oneof![
            6 => (any::<Index>(), piece).prop_map(|(at, piece)| Self::Insert(at, piece)),
            3 => any::<(Index, Index)>().prop_map(|(from, to)| Self::Remove(from, to)),
            1 => (any::<Index>(), any::<Index>(), select(&[2, 2, 2, 300][..]))
                .prop_map(|(from, to, times)| Self::Repeat(from, to, times)),
        ]
    }

    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let (from, to, middle) = match self {
            Self::Insert(at, piece) => {
                let at = at.index(bytes.len() + 1);
                (at, at, piece.clone())
            }
            Self::Remove(from, to) => {
                let (from, to) = ordered(*from, *to, bytes.len());
                (from, to, Vec::new())
            }
            Self::Repeat(from, to, times) => {
                let (from, to) = ordered(*from, *to, bytes.len());
                (from, to, bytes[from..to].repeat(*times))
            }
        };
        let mut edited = [&bytes[..from], &middle, &bytes[to..]].concat();
        edited.truncate(MAX_BYTES);
        edited
    }
}

fn ordered(a: Index, b: Index, length: usize) -> (usize, usize) {
    let (a, b) = (a.index(length + 1), b.index(length + 1));
    (a.min(b), a.max(b))
}

/// Returns one of the `originals` with up to five edits.
pub(crate) fn bytes(originals: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(originals), vec(Edit::any(), 0..=5)).prop_map(|(original, edits)| {
        let start = original.as_bytes().to_vec();
        edits.iter().fold(start, |bytes, edit| edit.apply(&bytes))
    })
}

/// Returns the same as text, with U+FFFD in place of what is not UTF-8.
pub(crate) fn text(originals: &'static [&'static str]) -> impl Strategy<Value = String> {
    bytes(originals).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks `PROPTEST_CASES` inputs (256 by default), divided by `cost`. Every run tests the same ones, unless
/// `PROPTEST_RNG_SEED` has another number.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    inputs: &S,
    cost: u32,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seed = match Config::default().rng_seed {
        RngSeed::Random => 1,
        RngSeed::Fixed(seed) => seed,
    };
    let config = Config {
        cases: Config::default().cases / cost,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(inputs, test) {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}
