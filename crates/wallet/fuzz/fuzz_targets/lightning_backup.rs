//! Channel backups come from wherever they were kept: what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::lightning::ChannelBackup;

fuzz_target!(|text: &str| {
    if let Ok(backup) = ChannelBackup::parse(text) {
        assert_eq!(ChannelBackup::parse(&backup.to_text()).ok(), Some(backup));
    }
});
