//! What an owned network and a kept one share: the name in the log, and the end with the worker.

use super::{Phase, Shared, network::Network};
use nsgate_config::Identity;
use nsgate_forwarder::Stop;
use tokio::sync::watch;

/// Waits for a phase other than the known one.
pub(super) async fn later(phase: &mut watch::Receiver<Phase>, known: Phase) -> Phase {
    let now = phase.wait_for(|phase| *phase != known).await;
    now.map_or(Phase::Ending(Stop::Now), |now| *now)
}

/// Passes a worker's end on to a network whose connections still last.
pub(super) async fn follow(shared: &Shared, network: &Network) {
    let mut phase = shared.phase.subscribe();
    let mut known = Phase::Open;
    loop {
        tokio::select! {
            () = network.ended() => return,
            now = later(&mut phase, known) => known = now,
        }
        if let Phase::Ending(stop) = known {
            network.stop(stop);
        }
    }
}

/// The network's name in the log.
pub(super) fn network_label(identity: &Identity) -> String {
    format!("{} {}", identity.header(), identity.uuid())
}
