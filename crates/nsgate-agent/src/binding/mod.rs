//! How a connection comes to speak for one network, whatever is said over it.
//!
//! A process connects to the agent's socket while it is root, and says in one line which network it is for. From then on that
//! connection is a **door**: it carries no HTTP, and brings one connection for each that is asked for. Those carry HTTP, and all
//! that comes over them is of the door's network. The process may give up every privilege, and the right to make sockets
//! as well: to ask it writes a byte, and to take it calls recvmsg(2).
//!
//! ```text
//! NSGATE-BIND 1 x-ovn-network-id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10 ⏎    gate, as root; 128 bytes at most
//! bound ⏎                                                          agent, or: refused REASON ⏎, and it closes
//! +                                                                gate: one more connection
//! + and a socket (SCM_RIGHTS, unix(7))                             agent: here it is
//! =                                                                gate: a door, for another process that serves the network
//! = and a socket                                                   agent: here it is; it ends with the one that has brought it
//! -                                                                agent: the door has as many as it may have
//! 0x80 to 0xff                                                     agent: another process is here; what was asked for is forgotten
//! the same byte                                                    gate: heard; what follows is asked for anew
//! ```
//!
//! The kernel says who has connected (SO_PEERCRED): no byte of the line is believed of another process. What the holder of a
//! door can do is ask in its own network. It has no door for another, and what it says in a header changes nothing.
//!
//! A service manager may keep the agent's end of a door while the agent is restarted. The next process does not ask what the one before it
//! believed: root has given its end of the connection a name that says the network, and the kernel still says it.

#[cfg(feature = "server")]
mod anew;
mod door;
mod name;
#[cfg(feature = "server")]
mod returned;
#[cfg(feature = "server")]
mod server;
mod words;

pub use door::{Door, Taken};
pub use name::{DOOR_NAME, name, named};
#[cfg(feature = "server")]
pub use returned::NotReturned;
#[cfg(feature = "server")]
pub use server::{Binders, BoundConnection, Brought, HeldDoor, NotBound, Place, Unbound, bind};
pub use words::{BEGIN, BindLineError, LONGEST, answered, line, read};
