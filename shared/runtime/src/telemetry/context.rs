//! What names a span to whoever continues its trace (W3C Trace Context).

use opentelemetry::trace::{self, SpanId, TraceFlags, TraceId};

/// A span of a trace, of this process or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl SpanContext {
    pub(super) fn of(context: &trace::SpanContext) -> Self {
        Self {
            trace: context.trace_id().to_bytes(),
            span: context.span_id().to_bytes(),
            sampled: context.is_sampled(),
        }
    }

    /// As what came from elsewhere, with the vendors' part of it if it is well formed.
    pub(super) fn remote(&self, state: Option<&str>) -> trace::SpanContext {
        let state = state.and_then(|state| state.parse().ok());
        trace::SpanContext::new(
            TraceId::from_bytes(self.trace),
            SpanId::from_bytes(self.span),
            TraceFlags::default().with_sampled(self.sampled),
            true,
            state.unwrap_or_default(),
        )
    }

    /// The id of the trace, as it is written.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace))
    }

    /// The id of the span, as it is written.
    pub fn span_id(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span))
    }

    /// Reads a `traceparent`. Of versions that are newer than 00 as much is read as 00 has.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let text = traceparent.as_bytes();
        let version = hex::<1>(text.get(..2)?)?[0];
        let whole = match version {
            0 => text.len() == 55,
            0xff => false,
            _ => text.len() == 55 || text.get(55) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if !whole || !dashes {
            return None;
        }
        let context = Self {
            trace: hex(&text[3..35])?,
            span: hex(&text[36..52])?,
            sampled: hex::<1>(&text[53..55])?[0] & 1 == 1,
        };
        (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }

    /// The `traceparent` that says so.
    pub fn to_traceparent(&self) -> String {
        let trace = u128::from_be_bytes(self.trace);
        let span = u64::from_be_bytes(self.span);
        let flags = u8::from(self.sampled);
        format!("00-{trace:032x}-{span:016x}-{flags:02x}")
    }

    /// Whether it is recorded where it was made.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

/// Lower-case digits alone, as the specification has it.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_and_written_the_same() {
        let context = SpanContext::parse(GOOD).unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.to_traceparent(), GOOD);
        let newer = format!("cc{}-what", &GOOD[2..]);
        assert_eq!(SpanContext::parse(&newer), Some(context));
        let unsampled = GOOD.replace("-01", "-00");
        assert!(!SpanContext::parse(&unsampled).unwrap().is_sampled());
    }

    #[test]
    fn what_is_none_is_nothing() {
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            "mine",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("ff{}", &GOOD[2..]),
            &format!("cc{}x", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &zeros),
            &GOOD.replace("b7ad6b7169203331", &zeros[..16]),
            &GOOD.replace("-b7", "xb7"),
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01",
        ] {
            assert_eq!(SpanContext::parse(bad), None, "{bad}");
        }
    }
}
