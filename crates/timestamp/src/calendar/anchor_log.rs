//! The list of anchors: which part of the journal was anchored by what.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::journal::sync_folder;
use super::{Error, Result};
use crate::Hash;

const WHAT: &str = "the list of anchors";

/// An anchor that was begun: a transaction, or a promise by another calendar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// The first commitment under it.
    pub from: u64,
    /// The first commitment no longer under it.
    pub to: u64,
    /// The root of the tree of those commitments.
    pub tip: Hash,
    /// What the anchor needs in order to go on.
    pub ticket: serde_json::Value,
    /// When, in Unix seconds.
    pub time_unix_s: u64,
}

/// An anchor that holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anchored {
    /// What was submitted.
    pub submitted: Submitted,
    /// The timestamp that begins at the tip, in hex.
    #[serde(with = "hex::serde")]
    pub timestamp: Vec<u8>,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Written before anything is sent.
    Submitted(Submitted),
    /// It holds. Others that began at the same place are given up.
    Anchored(Anchored),
    /// It no longer holds: the chain has left its block. It is under way again.
    Reverted {
        /// Where it began.
        from: u64,
    },
}

/// An append-only file, a line of JSON for each event, and what follows from them.
#[derive(Debug)]
pub struct AnchorLog {
    file: File,
    anchored: Vec<Anchored>,
    under_way: Vec<Submitted>,
}

impl AnchorLog {
    /// Opens the list, or begins it. A line that a crash tore is cut off.
    ///
    /// # Errors
    /// `Anchors`, or file errors.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::file(WHAT, "opened"))?;
        let mut log = Self {
            file,
            anchored: Vec::new(),
            under_way: Vec::new(),
        };
        let whole = log.replay()?;
        log.file
            .set_len(whole)
            .and_then(|()| log.file.sync_all())
            .and_then(|()| sync_folder(path))
            .map_err(Error::file(WHAT, "repaired"))?;
        Ok(log)
    }

    /// Takes in all whole lines, and returns where they end.
    fn replay(&mut self) -> Result<u64> {
        let mut reader = BufReader::new(self.file.try_clone().map_err(Error::file(WHAT, "read"))?);
        reader
            .seek(SeekFrom::Start(0))
            .map_err(Error::file(WHAT, "read"))?;
        let (mut whole, mut text, mut number) = (0, String::new(), 0);
        loop {
            text.clear();
            let length = reader
                .read_line(&mut text)
                .map_err(Error::file(WHAT, "read"))?;
            if !text.ends_with('\n') {
                return Ok(whole);
            }
            number += 1;
            let line = serde_json::from_str(&text).map_err(|error| Error::Anchors {
                line: number,
                why: error.to_string(),
            })?;
            self.take(line);
            whole += length as u64;
        }
    }

    /// The anchors that hold, in order.
    pub fn anchored(&self) -> &[Anchored] {
        &self.anchored
    }

    /// The anchors that are under way, oldest first. All begin at [`AnchorLog::next`].
    pub fn under_way(&self) -> &[Submitted] {
        &self.under_way
    }

    /// The first commitment that no anchor holds.
    pub fn next(&self) -> u64 {
        self.anchored.last().map_or(0, |last| last.submitted.to)
    }

    /// The anchor that holds the commitment at this place.
    pub fn holding(&self, index: u64) -> Option<&Anchored> {
        let place = self
            .anchored
            .partition_point(|anchored| anchored.submitted.to <= index);
        self.anchored.get(place)
    }

    /// Records what is about to be sent.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn submit(&mut self, submitted: Submitted) -> Result<()> {
        self.write(Line::Submitted(submitted))
    }

    /// Records that an anchor holds.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn hold(&mut self, anchored: Anchored) -> Result<()> {
        self.write(Line::Anchored(anchored))
    }

    /// Records that the newest anchor no longer holds.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn revert_last(&mut self) -> Result<()> {
        match self.anchored.last() {
            Some(last) => self.write(Line::Reverted {
                from: last.submitted.from,
            }),
            None => Ok(()),
        }
    }

    fn write(&mut self, line: Line) -> Result<()> {
        let mut text = serde_json::to_string(&line).map_err(|error| Error::Anchors {
            line: 0,
            why: error.to_string(),
        })?;
        text.push('\n');
        let before = self
            .file
            .metadata()
            .map_err(Error::file(WHAT, "read"))?
            .len();
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            let _ = self.file.set_len(before);
            return Err(Error::file(WHAT, "written")(source));
        }
        self.take(line);
        Ok(())
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Submitted(submitted) => self.under_way.push(submitted),
            Line::Anchored(anchored) => {
                self.under_way.clear();
                self.anchored.push(anchored);
            }
            Line::Reverted { from } => {
                if let Some(last) = self.anchored.pop_if(|last| last.submitted.from == from) {
                    // What was begun after it stands on its end, and would leave a gap.
                    self.under_way = vec![last.submitted];
                }
            }
        }
    }
}
