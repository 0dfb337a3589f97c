//! How computers die, and start again.

use std::rc::Rc;

use super::tasks::Task;
use super::world::{Computer, MINUTE_MS, Machine, OUTSIDE, SECOND_MS, World};

impl World {
    pub fn is_up(&self, machine: Machine) -> bool {
        let computers = self.computers.borrow();
        computers[machine.0].is_up && !computers[machine.0].is_doomed
    }

    /// Dies as soon as the task that runs lets go.
    pub fn doom(&self, machine: Machine, what: &str) {
        self.note(machine, &format!("dies {what}"));
        self.computers.borrow_mut()[machine.0].is_doomed = true;
    }

    pub(super) fn bury(self: &Rc<Self>) {
        let doomed = |one: &Computer| one.is_doomed;
        let Some(at) = self.computers.borrow().iter().position(doomed) else {
            return;
        };
        let machine = Machine(at);
        let dead: Vec<Task> = {
            let mut tasks = self.tasks.borrow_mut();
            let ids: Vec<u64> = tasks
                .iter()
                .filter(|(_, t)| t.machine == machine)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        drop(dead);
        let mut computers = self.computers.borrow_mut();
        (computers[at].is_doomed, computers[at].is_up) = (false, false);
        drop(computers);
        let world = Rc::clone(self);
        self.spawn(OUTSIDE, async move {
            world.sleep(world.between(SECOND_MS, 5 * MINUTE_MS)).await;
            world.restart(machine);
        });
    }

    fn restart(&self, machine: Machine) {
        let program = {
            let mut computers = self.computers.borrow_mut();
            computers[machine.0].is_up = true;
            computers[machine.0].program.clone()
        };
        self.note(machine, "starts again");
        if let Some(program) = program {
            program.start();
        }
    }
}
