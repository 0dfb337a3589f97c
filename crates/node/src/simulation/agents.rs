//! Who asks the buyer's node for things, and who it asks: agents with tokens of their own, and the owner.

use std::rc::Rc;

use wallet::purse;

use super::buyer::Buyer;
use super::hostile_seller::TRICKS;
use super::town::{HOSTILE, HOSTS};
use super::world::{DAY_MS, HOUR_MS, MINUTE_MS, OUTSIDE, SECOND_MS, W};
use crate::error::{NodeError, Result};
use crate::node::now_ms;
use crate::{FetchRequest, Fetched, Protocol, Spender};

/// An agent: it wants something now and then, and asks until it knows what became of it.
pub(crate) async fn shop(world: W, buyer: Rc<Buyer>, name: String, spender: Spender) {
    for purchase in 0_u32.. {
        let pause_ms = world.between(HOUR_MS / 2, 16 * HOUR_MS);
        world.sleep(pause_ms).await;
        if !world.faults.is_on.get() {
            return;
        }
        let request = wanted(&world, format!("{name}-{purchase}"));
        world.count("purchases");
        if world.chance(50) {
            // It asks twice at once, as programs do that lost their patience.
            let (again, other, twice) = (Rc::clone(&world), Rc::clone(&buyer), request.clone());
            let also = spender.clone();
            world.spawn(OUTSIDE, async move {
                again.sleep(again.between(0, 5 * SECOND_MS)).await;
                let _ = other.call(also, twice).await;
            });
        }
        ask(&world, &buyer, &spender, request).await;
    }
}

fn wanted(world: &W, id: String) -> FetchRequest {
    let url = match world.chance(150) {
        true => format!(
            "http://{HOSTILE}/{}",
            TRICKS[world.below(TRICKS.len() as u64) as usize]
        ),
        false => {
            let host = HOSTS[world.below(HOSTS.len() as u64) as usize];
            let path = ["/answer", "/bundle", "/dear"][world.below(3) as usize];
            format!("http://{host}{path}")
        }
    };
    let rails = match world.below(8) {
        0..=2 => Vec::new(),
        3 => vec![Protocol::XCashu],
        4 | 5 => vec![Protocol::L402],
        6 => vec![Protocol::MppCharge],
        _ => vec![Protocol::MppCharge, Protocol::L402],
    };
    FetchRequest {
        id: Some(id),
        method: "GET".into(),
        url,
        max_sat: world.chance(300).then(|| world.below(60)),
        rails,
        timeout_s: Some([5, 30, 600][world.below(3) as usize]),
        ..FetchRequest::default()
    }
}

async fn ask(world: &W, buyer: &Rc<Buyer>, spender: &Spender, request: FetchRequest) {
    let patience = world.between(2, 14);
    for _ in 0..patience {
        let told = buyer.call(spender.clone(), request.clone()).await;
        let pause_ms = match told {
            None => world.between(SECOND_MS, 2 * MINUTE_MS),
            Some(told) => match concluded(world, told) {
                None => return,
                Some(pause_ms) => pause_ms,
            },
        };
        world.sleep(pause_ms).await;
    }
    world.count("agent: gave up asking");
}

/// How long to wait before it asks again; none if it knows enough.
fn concluded(world: &W, told: Result<Fetched>) -> Option<i64> {
    let (what, pause_ms) = match told {
        Ok(answer) if answer.payment.is_some() => {
            (format!("agent: paid, answered {}", answer.status), None)
        }
        Ok(answer) => (
            format!("agent: for nothing, answered {}", answer.status),
            None,
        ),
        Err(error) => {
            let pause_ms = match &error {
                NodeError::ApprovalNeeded(_) => Some(world.between(HOUR_MS, 9 * HOUR_MS)),
                NodeError::PaymentPending { .. } => {
                    Some(world.between(10 * SECOND_MS, 20 * MINUTE_MS))
                }
                NodeError::Upstream { .. } | NodeError::Ecash(_) | NodeError::PaymentFailed(_) => {
                    Some(world.between(SECOND_MS, 5 * MINUTE_MS))
                }
                NodeError::NoLightning => Some(world.between(SECOND_MS, MINUTE_MS)),
                _ => None,
            };
            (format!("agent: {}", error.code()), pause_ms)
        }
    };
    world.count(&what);
    pause_ms
}

/// The owner reads what waits, now and then, and says yes or no.
pub(crate) async fn decide(world: W, buyer: Rc<Buyer>) {
    while world.faults.is_on.get() {
        world.sleep(world.between(HOUR_MS, 8 * HOUR_MS)).await;
        if world.is_up(buyer.ground.machine) {
            let (owner, machine) = (Rc::clone(&buyer), buyer.ground.machine);
            world.spawn(machine, async move {
                let _ = look_through(&owner).await;
            });
        }
    }
}

async fn look_through(buyer: &Buyer) -> Result<()> {
    let ground = &buyer.ground;
    let open = ground.look(|db| Ok(purse::approvals(db, true, 50, now_ms())?))?;
    for approval in open {
        match ground.world.below(10) {
            0..=6 => {
                buyer.budgets.borrow_mut().approved.insert(approval.id);
                let approve = ground.commit("the owner says yes", |tx| {
                    Ok(purse::approve(tx, approval.id, now_ms())?)
                });
                ground.world.count("owner: approved");
                approve.await?;
            }
            7 => {
                let deny = ground.commit("the owner says no", |tx| {
                    Ok(purse::deny(tx, approval.id, now_ms())?)
                });
                ground.world.count("owner: denied");
                deny.await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Clocks that are set: by a second, by hours, by days, ahead and back.
pub(crate) async fn set_clocks(world: W, machines: Vec<super::world::Machine>) {
    loop {
        world.sleep(world.between(6 * HOUR_MS, 4 * DAY_MS)).await;
        if !world.faults.is_on.get() {
            return;
        }
        let machine = machines[world.below(machines.len() as u64) as usize];
        let most_ms = [2 * SECOND_MS, MINUTE_MS, 5 * HOUR_MS, 3 * DAY_MS][world.below(4) as usize];
        world.set_clock(machine, world.between(-most_ms, most_ms));
        world.count("fault: clock set");
        world.sleep(world.between(MINUTE_MS, DAY_MS)).await;
        world.set_clock(machine, world.between(-SECOND_MS, SECOND_MS));
    }
}
