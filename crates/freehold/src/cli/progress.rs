//! How far a download has come: a bar on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::{Phase, Progress, ProgressSink};

const TEMPLATE: &str =
    "{prefix} [{bar:28}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}";
/// How often a line is written where there's no terminal.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// Shows progress on standard error.
pub struct Bar {
    bar: ProgressBar,
    has_lines: bool,
}

impl Bar {
    /// A bar, or nothing at all if that is wanted.
    pub fn new(is_quiet: bool) -> Self {
        let is_seen = std::io::stderr().is_terminal();
        let target = if is_seen && !is_quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            has_lines: !is_seen && !is_quiet,
        }
    }

    /// What takes the reports.
    pub fn sink(&self) -> Arc<dyn ProgressSink> {
        let (bar, has_lines) = (self.bar.clone(), self.has_lines);
        let view = Mutex::new(View::default());
        Arc::new(move |progress: Progress| {
            let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
            show(&bar, progress, view.is_new_source(progress.source));
            if has_lines && view.is_due(&progress, Instant::now()) {
                // Nobody may be reading; the download goes on.
                let _ = writeln!(std::io::stderr(), "{}", line(&progress));
            }
        })
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What was shown last.
#[derive(Default)]
struct View {
    source: &'static str,
    step: Option<(Phase, Instant)>,
}

impl View {
    fn is_new_source(&mut self, source: &'static str) -> bool {
        let is_new = self.source != source;
        if is_new {
            *self = Self { source, step: None };
        }
        is_new
    }

    fn is_due(&mut self, progress: &Progress, now: Instant) -> bool {
        let is_due = match self.step {
            Some((phase, last)) => phase != progress.phase || now >= last + LINE_PAUSE,
            None => true,
        };
        if is_due {
            self.step = Some((progress.phase, now));
        }
        is_due
    }
}

fn show(bar: &ProgressBar, progress: Progress, is_new_source: bool) {
    if is_new_source {
        // The next source starts anew, on a line of its own.
        bar.reset();
        bar.set_prefix(progress.source);
    }
    bar.set_message(doing(progress.phase));
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes_done);
}

fn line(progress: &Progress) -> String {
    format!(
        "{}: {} {} of {}",
        progress.source,
        doing(progress.phase),
        HumanBytes(progress.bytes_done),
        HumanBytes(progress.bytes_total)
    )
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting for another download",
        Phase::Downloading => "downloading",
        Phase::Copying => "copying",
        Phase::Unpacking => "unpacking",
        Phase::Verifying => "verifying",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_now_and_then_and_at_each_step() {
        let mut view = View::default();
        let start = Instant::now();
        let report = |phase| Progress {
            source: "PyPI",
            phase,
            bytes_done: 1 << 20,
            bytes_total: 1 << 30,
        };
        let (loading, unpacking) = (report(Phase::Downloading), report(Phase::Unpacking));
        assert!(view.is_new_source("PyPI"));
        assert!(!view.is_new_source("PyPI"));
        assert!(view.is_due(&loading, start));
        assert!(!view.is_due(&loading, start + Duration::from_secs(1)));
        assert!(view.is_due(&loading, start + LINE_PAUSE));
        assert!(view.is_due(&unpacking, start + LINE_PAUSE));
        assert_eq!(line(&loading), "PyPI: downloading 1.00 MiB of 1.00 GiB");
    }
}
