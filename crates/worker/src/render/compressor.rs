//! Compresses one calendar after the other.

use std::io::{self, Write};

use crc32fast::Hasher;
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Level 6, the default, takes twice as long for a calendar of 100 todos and saves 7 % of its bytes. Level 1 saves little
/// time and costs a third more bytes.
const LEVEL: Compression = Compression::new(2);
/// The header of a gzip member (RFC 1952 §2.3): deflate, no flags, no time of modification, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Compresses with gzip. It is used again for the next calendar: clearing the 300 KB of a new one would take longer than
/// compressing a calendar of 100 todos.
#[derive(Debug)]
pub struct Compressor {
    deflate: DeflateEncoder<Vec<u8>>,
    crc: Hasher,
}

impl Default for Compressor {
    fn default() -> Self {
        Self {
            deflate: DeflateEncoder::new(Vec::new(), LEVEL),
            crc: Hasher::new(),
        }
    }
}

impl Compressor {
    /// Begins a new file. What was written of another one is dropped.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.deflate.reset(HEADER.to_vec())?;
        self.crc.reset();
        Ok(())
    }

    /// Returns the compressed file.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.deflate.try_finish()?;
        let mut file = std::mem::take(self.deflate.get_mut());
        file.extend(self.crc.clone().finalize().to_le_bytes());
        // calendars are far smaller than the 4 GiB that gzip can express
        let length = u32::try_from(self.deflate.total_in()).map_err(io::Error::other)?;
        file.extend(length.to_le_bytes());
        Ok(file)
    }
}

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.deflate.write(bytes)?;
        let taken = bytes.get(..written).unwrap_or(bytes);
        self.crc.update(taken);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn compress(compressor: &mut Compressor, content: &[u8]) -> Vec<u8> {
        compressor.begin().unwrap();
        compressor.write_all(content).unwrap();
        compressor.finish().unwrap()
    }

    fn decompress(file: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        // the decoder compares the checksum and the length
        GzDecoder::new(file).read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn every_file_of_a_compressor_is_what_a_new_one_would_have_written() {
        let mut used = Compressor::default();
        for content in ["", "a calendar", &"another calendar ".repeat(10_000), ""] {
            let file = compress(&mut used, content.as_bytes());
            assert_eq!(decompress(&file), content.as_bytes());
            let new = compress(&mut Compressor::default(), content.as_bytes());
            assert_eq!(file, new);
        }
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_in_the_next() {
        let mut compressor = Compressor::default();
        compressor.begin().unwrap();
        let unfinished = "too large ".repeat(100_000);
        compressor.write_all(unfinished.as_bytes()).unwrap();
        let file = compress(&mut compressor, b"the next");
        assert_eq!(decompress(&file), b"the next");
    }
}
