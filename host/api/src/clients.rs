//! How much each client may ask, and who has failed to say who it is too often.
//!
//! A client is an address; of IPv6 the network of it, since whoever has one address there has 2⁶⁴.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests a second of a client elsewhere, in the long run, and at once. A console asks some ten when a page opens; a scrape is
/// one.
const ELSEWHERE: Rate = Rate { per_second: 50, at_once: 200 };

/// The same of this machine, where whoever asks could as well do other things to it: enough that only a program that runs wild
/// meets it.
const HERE: Rate = Rate { per_second: 5_000, at_once: 10_000 };

/// Failed logins after which a client is locked out: more than a person makes.
const MAX_FAILURES: u32 = 10;

/// Failures that lie further apart than this are none of a series.
const FAILURE_SECONDS: u64 = 300;

/// For how long a client is locked out.
const LOCKED_OUT_SECONDS: u64 = 300;

/// Clients that are remembered. Of more, the one that was heard of longest ago is forgotten, but none that is locked out while there
/// is another.
const MAX_CLIENTS: usize = 4_096;

/// So many requests a second, and so many at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: u32,
    at_once: u32,
}

/// The rate of whoever is at this address.
fn rate_of(address: IpAddr) -> Rate {
    if address.to_canonical().is_loopback() { HERE } else { ELSEWHERE }
}

/// Requests a minute that a client of this address may ask in the long run.
pub(crate) fn requests_a_minute(address: IpAddr) -> u32 {
    rate_of(address).per_second * 60
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is answered.
    Admitted,
    /// It asks too much; so long until one more is answered.
    TooMany(Duration),
    /// It is locked out for so long.
    LockedOut(Duration),
}

/// What a failed login leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It may try again.
    Noted,
    /// That was one too many: it is locked out from now on.
    LockedOut,
}

/// All clients that were heard of lately.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<BTreeMap<IpAddr, Client>>);

#[derive(Clone, Copy, Debug)]
struct Client {
    /// Requests that may be answered at once now, as of when it was heard of.
    allowance: f64,
    heard_of: Instant,
    failures: u32,
    failed_at: Instant,
    locked_out_until: Option<Instant>,
}

impl Client {
    fn new(now: Instant, rate: Rate) -> Self {
        Self { allowance: rate.at_once.into(), heard_of: now, failures: 0, failed_at: now, locked_out_until: None }
    }

    fn is_locked_out(&self, now: Instant) -> Option<Duration> {
        let left = self.locked_out_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

impl Clients {
    /// A request comes.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Admission {
        let rate = rate_of(address);
        self.with(address, now, rate, |client| {
            if let Some(left) = client.is_locked_out(now) {
                return Admission::LockedOut(left);
            }
            let since = now.saturating_duration_since(client.heard_of).as_secs_f64();
            client.heard_of = now;
            client.allowance = (client.allowance + since * f64::from(rate.per_second)).min(rate.at_once.into());
            if client.allowance < 1.0 {
                let missing = (1.0 - client.allowance) / f64::from(rate.per_second);
                return Admission::TooMany(Duration::from_secs_f64(missing));
            }
            client.allowance -= 1.0;
            Admission::Admitted
        })
    }

    /// It said who it is, and that does not hold.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> Failed {
        self.with(address, now, ELSEWHERE, |client| {
            let is_of_a_series = now.saturating_duration_since(client.failed_at) < Duration::from_secs(FAILURE_SECONDS);
            client.failures = if is_of_a_series { client.failures + 1 } else { 1 };
            client.failed_at = now;
            if client.failures < MAX_FAILURES {
                return Failed::Noted;
            }
            client.failures = 0;
            client.locked_out_until = Some(now + Duration::from_secs(LOCKED_OUT_SECONDS));
            Failed::LockedOut
        })
    }

    fn with<T>(&self, address: IpAddr, now: Instant, rate: Rate, act: impl FnOnce(&mut Client) -> T) -> T {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network_of(address);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(&address) {
            let oldest =
                clients.iter().min_by_key(|(_, client)| (client.is_locked_out(now).is_some(), client.heard_of));
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                clients.remove(&oldest);
            }
        }
        act(clients.entry(address).or_insert_with(|| Client::new(now, rate)))
    }
}

/// What is counted as one.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_asks_so_much_at_once_and_then_so_much_a_second() {
        let (clients, one, start) = (Clients::default(), address("192.0.2.1"), Instant::now());
        for _ in 0..ELSEWHERE.at_once {
            assert_eq!(clients.admit(one, start), Admission::Admitted);
        }
        assert!(matches!(clients.admit(one, start), Admission::TooMany(wait) if wait <= Duration::from_millis(20)));
        assert_eq!(clients.admit(address("192.0.2.2"), start), Admission::Admitted, "another one is not held up");
        let later = start + Duration::from_secs(1);
        let admitted = (0..ELSEWHERE.at_once).filter(|_| clients.admit(one, later) == Admission::Admitted).count();
        assert_eq!(admitted, ELSEWHERE.per_second as usize);
    }

    #[test]
    fn one_failure_too_many_locks_out_for_a_while_and_one_fewer_does_not() {
        let (clients, one, start) = (Clients::default(), address("192.0.2.1"), Instant::now());
        for _ in 1..MAX_FAILURES {
            assert_eq!(clients.failed(one, start), Failed::Noted);
        }
        assert_eq!(clients.admit(one, start), Admission::Admitted);
        assert_eq!(clients.failed(one, start), Failed::LockedOut);
        let second = Duration::from_secs(1);
        let end = start + Duration::from_secs(LOCKED_OUT_SECONDS);
        assert_eq!(clients.admit(one, end - second), Admission::LockedOut(second));
        assert_eq!(clients.admit(one, end), Admission::Admitted);
    }

    #[test]
    fn failures_that_lie_far_apart_are_no_series() {
        let (clients, one, start) = (Clients::default(), address("192.0.2.1"), Instant::now());
        for time in 0..3 * MAX_FAILURES {
            let now = start + Duration::from_secs(FAILURE_SECONDS) * time;
            assert_eq!(clients.failed(one, now), Failed::Noted);
        }
    }

    #[test]
    fn the_addresses_of_one_network_are_one_client() {
        assert_eq!(network_of(address("2001:db8:1:2:3::4")), network_of(address("2001:db8:1:2:9::9")));
        assert_ne!(network_of(address("2001:db8:1:2::")), network_of(address("2001:db8:1:3::")));
        assert_eq!(network_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn so_many_are_remembered_and_who_is_locked_out_is_not_forgotten_for_others() {
        let (clients, one, start) = (Clients::default(), address("192.0.2.1"), Instant::now());
        for _ in 0..MAX_FAILURES {
            clients.failed(one, start);
        }
        for number in 0..2 * u32::try_from(MAX_CLIENTS).unwrap() {
            let other = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + number));
            clients.admit(other, start + Duration::from_millis(u64::from(number) / 100));
        }
        assert!(clients.0.lock().unwrap().len() <= MAX_CLIENTS);
        assert!(matches!(clients.admit(one, start), Admission::LockedOut(_)));
    }
}
