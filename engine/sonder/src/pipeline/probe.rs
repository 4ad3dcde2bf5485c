//! Whether a disk that was full has room again, found out by writing to it: what a file system says of its free space is
//! not what a quota, a reserve or a failing disk lets through.

use super::limits;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Whether a file of some size can be written, and is on the disk then.
pub(super) fn has_room(data: &Path) -> bool {
    let path = data.join("probe");
    let written = write(&path).is_ok();
    let removed = fs::remove_file(&path).is_ok();
    written && removed
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    // Zeros may be stored as nothing at all.
    let block: Vec<u8> = (0..64 << 10).map(|place: u32| (place.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    for _ in 0..limits::ROOM / block.len() {
        file.write_all(&block)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(has_room(dir.path()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(!has_room(&dir.path().join("nowhere")));
    }
}
