//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::EgressConfig;

/// Says which addresses may be called: public ones, and what the operator permits besides.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Permitted although not public.
    pub allow: Vec<IpNet>,
    /// Permits everything.
    pub allow_private: bool,
}

impl EgressPolicy {
    /// Permits everything: for a program that acts for the person who runs it, such as the CLI.
    pub const fn unrestricted() -> Self {
        Self {
            allow: Vec::new(),
            allow_private: true,
        }
    }

    /// The address to connect to, in its plainest spelling, if it may be called at all.
    pub fn permit(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical(); // ::ffff:10.0.0.1 is 10.0.0.1
        let permitted = self.allow_private
            || self.allow.iter().any(|network| network.contains(&address))
            || match address {
                IpAddr::V4(v4) => is_public_v4(v4),
                IpAddr::V6(v6) => match embedded_v4(v6) {
                    // What a translator or tunnel would make of it decides.
                    Some(v4) => self.permit(IpAddr::V4(v4)).is_some(),
                    None => is_public_v6(v6),
                },
            };
        permitted.then_some(address)
    }
}

impl From<&EgressConfig> for EgressPolicy {
    fn from(config: &EgressConfig) -> Self {
        Self {
            allow: config.allow.clone(),
            allow_private: config.allow_private,
        }
    }
}

/// Special-purpose blocks of the IANA registry (RFC 6890 and its updates), all refused: also the
/// few that are formally reachable, since no service lives there.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,             // this network, private, loopback
        [100, b, ..] => (64..128).contains(&b), // carrier-grade NAT
        [169, 254, ..] => true,                 // link-local, cloud metadata
        [172, b, ..] => (16..32).contains(&b),  // private
        [192, 0, 0 | 2, _] => true,             // protocol assignments, documentation
        [192, 88, 99, _] => true,               // former 6to4 relays
        [192, 168, ..] => true,                 // private
        [198, 18 | 19, ..] => true,             // benchmarking
        [198, 51, 100, _] | [203, 0, 113, _] => true, // documentation
        [a, ..] => a >= 224,                    // multicast, reserved, broadcast
    };
    !special
}

/// Only global unicast (2000::/3), less what is set apart in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8, // protocol assignments (Teredo, ORCHID …), documentation
        0x3fff => b < 0x1000,                // documentation
        _ => false,
    };
    global_unicast && !special
}

/// The IPv4 address that a 6to4, NAT64 or IPv4-compatible address leads to.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0x2002, high, low, ..] => from(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
        [0, 0, 0, 0, 0, 0, high, low] => from(high, low), // also :: and ::1, in 0.0.0.0/8
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(policy: &EgressPolicy, address: &str) -> bool {
        policy.permit(address.parse().unwrap()).is_some()
    }

    #[test]
    fn public_addresses_may_be_called_and_nothing_else() {
        let policy = EgressPolicy::default();
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ];
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
        ];

        for address in public {
            assert!(permitted(&policy, address), "{address} is public");
        }
        for address in refused {
            assert!(!permitted(&policy, address), "{address} is not public");
            assert!(
                permitted(&EgressPolicy::unrestricted(), address),
                "{address}"
            );
        }
    }

    #[test]
    fn an_allowed_network_is_meant_in_every_spelling_and_nothing_beside_it() {
        let policy = EgressPolicy {
            allow: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()],
            allow_private: false,
        };

        assert!(permitted(&policy, "10.1.2.3"));
        assert!(permitted(&policy, "::ffff:10.1.2.3"));
        assert!(permitted(&policy, "64:ff9b::10.1.2.3"));
        assert!(permitted(&policy, "fd00::1"));
        assert!(!permitted(&policy, "10.2.0.1"));
        assert!(!permitted(&policy, "fd00:0:0:1::1"));
    }
}
