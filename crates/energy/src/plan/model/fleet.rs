//! What binds a group of miners: segments belong to machines that are on, starts cost, and who starts stays on.

use super::terms::{Group, Variables};
use super::{Builder, Input, Variable};
use crate::plant::hours_between;

/// Adds the rows of a group.
pub(super) fn add(to: &mut Builder, input: &Input<'_>, variables: &[Variables], index: usize) {
    let before = f64::from(input.state.groups[index].units);
    for (t, now) in variables.iter().enumerate() {
        let vars = &now.groups[index];
        if !vars.untied {
            for (segment, length_kw) in vars.segments.iter().zip(&vars.lengths_kw) {
                to.at_most(0.0, &[(*segment, 1.0), (vars.on, -length_kw)]);
            }
        }
        let Some(start) = vars.start else { continue };
        let more = [(vars.on, 1.0), (start, -1.0)];
        match t.checked_sub(1) {
            None => to.at_most(before, &more),
            Some(t) => {
                let ran = (variables[t].groups[index].on, -1.0);
                to.at_most(0.0, &[more[0], more[1], ran])
            }
        };
        coming_up(to, vars, start);
        stay_on(to, input, variables, index, t);
    }
}

/// What a segment draws beyond what machines that ran before can draw of it, machines draw that are coming up. The plant
/// loses at least that: it spreads power over all of them alike.
fn coming_up(to: &mut Builder, vars: &Group, start: Variable) {
    let segments = vars.segments.iter().zip(&vars.coming_up);
    for ((segment, coming_up), length_kw) in segments.zip(&vars.lengths_kw) {
        let ran = [(vars.on, -length_kw), (start, *length_kw)];
        let beyond = [(*segment, 1.0), (*coming_up, -1.0), ran[0], ran[1]];
        to.at_most(0.0, &beyond);
    }
}

/// Machines that were started within the least time on are on.
fn stay_on(to: &mut Builder, input: &Input<'_>, variables: &[Variables], index: usize, t: usize) {
    let least_minutes = input.site.miners[index].on_time_minutes_min;
    let vars = &variables[t].groups[index];
    let now = input.steps[t].start;
    let fresh = (0..t)
        .rev()
        .take_while(|s| hours_between(input.steps[*s].start, now) * 60.0 < least_minutes - 1e-9);
    let mut terms: Vec<(Variable, f64)> = fresh
        .filter_map(|s| variables[s].groups[index].start)
        .map(|start| (start, 1.0))
        .collect();
    if !terms.is_empty() {
        terms.extend(vars.start.map(|start| (start, 1.0)));
        terms.push((vars.on, -1.0));
        to.at_most(0.0, &terms);
    }
}
