//! The rules of `standing.rs` in a world where everything goes wrong at the worst moment: wallets that take longer than
//! anyone waits, answers that are lost, crashes between any two steps, and several askers at once. Each seed is one
//! history, and the same seed is the same history.

use super::standing::{Asked, Next, Standing, after_asking, before_asking};

const HISTORIES: u64 = 20_000;
const STEPS: u32 = 120;

/// The node's own record; survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Paying,
    Paid,
    /// Called off, or forgotten.
    Voided,
}

/// What the network has of the payment; survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Money {
    Here,
    OnItsWay,
    There,
    Back,
}

/// A task inside the wallet, on behalf of an asker that may have gone. Lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Reaching the wallet; it may refuse here, with no record.
    Connecting,
    /// It has its own record, durably.
    Recorded,
    /// The payment is out.
    Sent,
}

/// A caller or the background, in the middle of driving the payment. Lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Driver {
    /// What came of asking; none as long as it waits.
    asked: Option<Asked>,
}

/// As SplitMix64 has it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

struct World {
    dice: Dice,
    row: Row,
    /// The wallet's record.
    record: Standing,
    money: Money,
    sends: u32,
    task: Option<Task>,
    driver: Option<Driver>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            row: Row::Paying,
            record: Standing::None,
            money: Money::Here,
            sends: 0,
            task: None,
            driver: None,
        }
    }

    fn step(&mut self) {
        match self.dice.below(12) {
            0..=3 => self.advance_wallet(),
            4..=6 => self.advance_driver(),
            7 => self.lose_patience(),
            8 | 9 => self.advance_network(),
            10 => self.settle_record(),
            _ if self.dice.below(4) == 0 => self.crash(),
            _ => {}
        }
        self.check();
    }

    fn crash(&mut self) {
        // Inside the wallet, what was recorded and not sent is known as never sent when it starts again.
        if self.task == Some(Task::Recorded) && self.money == Money::Here {
            self.record = Standing::Failed;
        }
        self.task = None;
        self.driver = None;
    }

    /// A caller comes, or one that is there goes on.
    fn advance_driver(&mut self) {
        let next = match self.driver {
            None if self.row != Row::Paying => return,
            // The lock: one task at a time asks, and whoever comes meanwhile waits.
            None if self.task.is_some() => Next::Wait,
            None => before_asking(self.record.clone(), self.dice.below(2) == 0),
            Some(Driver { asked: Some(asked) }) => after_asking(asked, self.record.clone()),
            Some(Driver { asked: None }) => return,
        };
        self.driver = None;
        match next {
            Next::Ask => {
                self.task = Some(Task::Connecting);
                self.driver = Some(Driver { asked: None });
            }
            Next::Keep { .. } => self.row = Row::Paid,
            Next::CallOff | Next::Forget => self.row = Row::Voided,
            Next::Wait => {}
        }
    }

    fn answer(&mut self, asked: Asked) {
        self.task = None;
        if let Some(driver) = &mut self.driver {
            driver.asked.get_or_insert(asked);
        }
    }

    /// Whoever waits has waited long enough. The wallet goes on.
    fn lose_patience(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.asked.get_or_insert(Asked::Silent);
        }
    }

    fn advance_wallet(&mut self) {
        match self.task {
            None => {}
            Some(Task::Connecting) => match (self.record.clone(), self.dice.below(4)) {
                // It can't be reached, or the budget forbids it: nothing is recorded.
                (_, 0) => self.answer(Asked::Refused),
                (Standing::None, _) => {
                    self.record = Standing::Open;
                    self.task = Some(Task::Recorded);
                }
                // It pays an invoice once, and says how it stands.
                _ => self.answer(Asked::Answered),
            },
            Some(Task::Recorded) => match self.dice.below(5) {
                0 => {
                    self.record = Standing::Failed;
                    self.answer(Asked::Refused);
                }
                _ => {
                    self.sends += 1;
                    self.money = Money::OnItsWay;
                    self.task = Some(Task::Sent);
                }
            },
            Some(Task::Sent) => match self.dice.below(3) {
                0 => self.answer(Asked::Answered),
                1 => self.answer(Asked::Refused),
                _ => {}
            },
        }
    }

    fn advance_network(&mut self) {
        if self.money == Money::OnItsWay && self.dice.below(3) == 0 {
            self.money = match self.dice.below(2) {
                0 => Money::There,
                _ => Money::Back,
            };
        }
    }

    /// The wallet books what became of it, whether anybody waits or not.
    fn settle_record(&mut self) {
        if self.record == Standing::Open {
            match self.money {
                Money::There => {
                    let preimage = "ab".into();
                    self.record = Standing::Paid {
                        preimage,
                        fee_msat: 0,
                    };
                }
                Money::Back => self.record = Standing::Failed,
                Money::Here | Money::OnItsWay => {}
            }
        }
    }

    fn check(&self) {
        assert!(self.sends <= 1, "paid twice");
        if self.row == Row::Voided {
            assert!(
                matches!(self.money, Money::Here | Money::Back),
                "given up, and paid: {:?}",
                self.money
            );
            assert_eq!(self.task, None, "given up, and about to be paid");
        }
        if self.row == Row::Paid {
            assert_eq!(self.money, Money::There, "a proof of nothing");
        }
    }

    /// Nothing goes wrong any more: it must come to its end.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            self.advance_wallet();
            self.advance_network();
            self.settle_record();
            self.advance_driver();
            self.check();
        }
        assert_ne!(self.row, Row::Paying, "never ends: {:?}", self.record);
        assert_eq!(
            self.row == Row::Paid,
            self.money == Money::There,
            "money without a proof"
        );
    }
}

#[test]
fn one_payment_whatever_happens() {
    let (mut paid, mut voided) = (0, 0);
    for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.come_to_rest();
        match world.row {
            Row::Paid => paid += 1,
            _ => voided += 1,
        }
    }
    // A simulation in which one of them hardly happens would prove little.
    assert!(
        paid > HISTORIES / 10 && voided > HISTORIES / 10,
        "{paid} paid, {voided} not"
    );
}
