//! The simulated week, as far as a test has time.

use energy::controller::{Distrust, Health, Mode, What};
use energy::simulated::{WeekEvent, WeekOptions, week, workshop};

use crate::devices::may_serve_miners;

#[tokio::test(flavor = "multi_thread")]
async fn a_day_and_a_half_with_faults_keeps_cap_and_ai() {
    if !may_serve_miners().await {
        return;
    }
    let options = WeekOptions {
        hours: 36,
        step_seconds: 120.0,
        network: 84,
        ..WeekOptions::default()
    };
    let mut events = Vec::new();
    let summary = week(workshop().unwrap(), options, &mut |event| {
        events.push(event)
    })
    .await
    .unwrap();
    println!("{summary:#?}");
    let controller: Vec<&What> = events
        .iter()
        .filter_map(|event| match event {
            WeekEvent::Controller(event) => Some(&event.what),
            _ => None,
        })
        .collect();
    for what in &controller {
        println!("{what}");
    }
    assert_eq!(summary.hours, 36);
    assert_eq!(summary.over_cap_seconds, 0.0, "the import cap is kept");
    assert!(
        summary.firm_kwh > 36.0 * 6.0 * 0.6 && summary.batch_kwh > 20.0,
        "AI is served"
    );
    assert!(summary.mined_th_h > 1_000.0, "and miners work");
    assert_eq!(
        (summary.calls, summary.calls_met, summary.reports),
        (3, 3, 3)
    );
    let deaf = |what: &&&What| {
        matches!(
            what,
            What::Unit {
                health: Health::Deaf | Health::Lost,
                ..
            }
        )
    };
    assert!(
        controller.iter().filter(deaf).count() >= 2,
        "faults are found"
    );
    assert!(controller.contains(&&What::Meter(Some(Distrust::Stuck))));
    assert!(
        controller.contains(&&What::Mode(Mode::Safe)),
        "plans were missing for four hours"
    );
}
