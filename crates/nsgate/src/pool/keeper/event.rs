//! The events and the actions of a keeper's state machine ([`super::state`]).

/// What happens to a keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeeperEvent {
    /// The time that was waited for has come.
    Time,
    /// The same, but the keeper wakes up much too late. It was stopped itself, and the worker may have been stopped too.
    Oversleep,
    /// Handover: a worker has taken the network.
    Settle {
        /// It can be asked for a sign of life.
        answers: bool,
    },
    /// Handover: it failed.
    Fail(HandoverFailure),
    /// Handover: the worker that has refused is gone.
    RefuserLeaves,
    /// Handover: the worker that refused closed the connection at once. It is of an earlier release, and not gone.
    RefuserCloses,
    /// Listener: a guest waits.
    Guest,
    /// Worker: it is alive.
    Pong,
    /// Worker: it wants to be left.
    Leave,
    /// Worker: it is gone, or broke the protocol.
    Gone,
    /// Worker: the network is to end, or the requests under way are finished.
    EndNetwork,
    /// Agent: it has closed the door.
    DoorCloses,
    /// Signal: finish the requests under way (SIGUSR1).
    Finish,
    /// Signal: the same; another process serves the same listeners.
    Succeed,
    /// Signal: end (SIGTERM, SIGINT).
    Terminate,
    /// Keeper: it serves by itself now.
    Open,
    /// Keeper: its own connections have ended.
    Drain,
    /// Keeper: it cannot serve, and has said so.
    Break,
}

/// Why a handover failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandoverFailure {
    /// No worker answers, within the time that the site gives one to come back.
    Early,
    /// No worker answers, and that time is over.
    Late,
    /// A worker refuses, within that time.
    RefusedEarly,
    /// A worker refuses, and that time is over.
    RefusedLate,
    /// The gate cannot be handed over to any worker.
    Unfit,
}

/// What the driver does, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeeperAction {
    /// Ask the pool's worker.
    Offer,
    /// [`KeeperEvent::Time`] comes after this.
    Wait(KeeperDelay),
    /// Start the time that the site gives a worker to come back.
    BeginPatience,
    /// Keep the worker that took the network. Let the previous one go.
    Take,
    /// Tell the worker to stop serving the network, and let it go.
    TakeBack,
    /// The worker that has served is gone. Say so.
    Lose,
    /// Ask the worker for a sign of life.
    Ping,
    /// Ask the worker to finish the requests under way.
    FinishWorker,
    /// Tell the starter and the log that the network is served. Do this once.
    Ready,
    /// Tell the starter why the network is not served.
    FailStart,
    /// Say that the agent has closed the door, to the starter as well if it waits.
    SayUnbound,
    /// Say why the keeper serves by itself.
    SayAlone,
    /// Say, and count, that no process serves.
    SayUnserved,
    /// Say why a worker refuses.
    SayRefused,
    /// Say that a worker serves in place of the keeper.
    SayServed,
    /// Close the keeper's listeners. The process that has copies of them serves.
    CloseListeners,
    /// Finish the own connections: no more requests.
    DrainOwn,
    /// Finish the own connections: one more answer each.
    RetireOwn,
}

/// What a keeper waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeeperDelay {
    /// Between two attempts at a worker, while no process serves: longer each time.
    Pause,
    /// The same, while the keeper serves.
    AlonePause,
    /// For a worker's answer, while guests wait.
    Answer,
    /// The same, while the keeper serves.
    AloneAnswer,
    /// Before a worker that has refused is asked again.
    Refused,
    /// Between two questions for a sign of life, and for the answer.
    Life,
    /// For the own connections to end.
    Retiring,
}
