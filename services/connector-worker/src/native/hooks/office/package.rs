//! Office files are ZIP archives. What is read of one is bounded before it is unpacked and while
//! it is: such a file can claim anything of itself.

use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Parts of one file.
const PARTS_MAX: usize = 20_000;
/// Bytes of one part, unpacked.
const PART_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of all parts that are read of one file, unpacked.
const ALL_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How many times larger a part may become; XML becomes ten or twenty times larger.
const RATIO_MAX: u64 = 200;
/// Below this size the ratio means nothing.
const RATIO_FROM_BYTES: u64 = 256 * 1024;

/// A file whose parts are read one by one.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    read: u64,
}

impl<'a> Package<'a> {
    /// # Errors
    /// Why the bytes are not taken for an Office file.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err("it has the old binary format, or it is encrypted".to_owned());
        }
        let archive = ZipArchive::new(Cursor::new(bytes));
        let archive = archive.map_err(|_| "it is no Office file (.pptx)".to_owned())?;
        if archive.len() > PARTS_MAX {
            return Err(format!("it has more than {PARTS_MAX} parts"));
        }
        Ok(Self { archive, read: 0 })
    }

    /// The text of a part; none where the file has no such part.
    ///
    /// # Errors
    /// Why it is not read.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, String> {
        let file = match self.archive.by_name(name) {
            Ok(file) => file,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(_) => return Err(format!("its part {name} cannot be unpacked")),
        };
        let packed = file.compressed_size();
        let left = ALL_MAX_BYTES - self.read;
        let most = PART_MAX_BYTES.min(left);
        let mut bytes = Vec::new();
        let unpacked = file.take(most + 1).read_to_end(&mut bytes);
        unpacked.map_err(|_| format!("its part {name} is damaged"))?;
        let size = bytes.len() as u64;
        if size > most {
            return Err(format!("its part {name} is too large"));
        }
        if size > RATIO_FROM_BYTES && size / RATIO_MAX > packed {
            return Err(format!("its part {name} is packed more than any text is"));
        }
        self.read += size;
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| format!("its part {name} is no UTF-8"))
    }
}

/// Packs parts into a file.
///
/// # Errors
/// What the archive does not take.
pub(super) fn pack(parts: &[(String, String)]) -> Result<Bytes, String> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        let started = archive.start_file(name.as_str(), SimpleFileOptions::default());
        started.map_err(|error| error.to_string())?;
        let written = archive.write_all(text.as_bytes());
        written.map_err(|error| error.to_string())?;
    }
    let done = archive.finish().map_err(|error| error.to_string())?;
    Ok(done.into_inner().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: String) -> Bytes {
        pack(&[(name.to_owned(), text)]).unwrap()
    }

    #[test]
    fn what_was_packed_is_read_and_what_is_missing_is_none() {
        let bytes = file("a/b.xml", "<x/>".to_owned());
        let mut package = Package::open(&bytes).unwrap();

        assert_eq!(package.part("a/b.xml"), Ok(Some("<x/>".to_owned())));
        assert_eq!(package.part("a/c.xml"), Ok(None));
    }

    #[test]
    fn bombs_and_other_files_are_refused_with_their_reason() {
        let refused = |bytes: &[u8]| {
            let mut package = Package::open(bytes)?;
            package.part("x")
        };
        let says = |bytes: &[u8], what: &str| {
            let why = refused(bytes).unwrap_err();
            assert!(why.contains(what), "{why}");
        };
        let large = usize::try_from(PART_MAX_BYTES).unwrap() + 1;

        says(&file("x", " ".repeat(large)), "too large");
        says(&file("x", " ".repeat(large / 2)), "packed more");
        says(b"%PDF-1.7", "no Office file");
        says(&[0xd0, 0xcf, 0x11, 0xe0, 0], "encrypted");
    }

    #[test]
    fn many_parts_together_are_bounded_too() {
        let bytes = file("x", "twelve bytes".to_owned());
        let mut package = Package::open(&bytes).unwrap();

        package.read = ALL_MAX_BYTES - 12;
        assert!(package.part("x").is_ok());
        assert!(package.part("x").unwrap_err().contains("too large"));
    }
}
