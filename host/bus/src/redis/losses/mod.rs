//! A Redis that loses things again and again, step by step: hosts do one thing at a time, in an order that is written down
//! ([`told`]) or drawn from a seed ([`drawn`]), and in the end every event was read by the stage once, in its order, and is in every
//! file ([`scene`]). What it loses while a host fills it is in [`filled`].

mod drawn;
mod filled;
mod host;
mod scene;
mod told;
