use std::time::{Duration, Instant};

use bus::{BusState, Heard, Hint, Losses};
use fabric::Subject;

use crate::rig::{Ends, heard_until, hint, next};

#[tokio::test]
async fn every_subscriber_hears_each_hint_the_publishers_own_too() {
    for ends in Ends::each().await {
        let (mut here, mut there) = (ends.here().subscribe(), ends.there().subscribe());
        let mut second = ends.there().subscribe();
        let platform = Hint {
            subject: Subject::Platform,
            revision: 2,
        };

        ends.here().publish(hint(1));
        ends.here().publish(platform.clone());

        for hints in [&mut here, &mut there, &mut second] {
            assert_eq!(next(hints).await, Heard::Gap, "what came before is unknown");
            assert_eq!(next(hints).await, Heard::Hint(hint(1)));
            assert_eq!(next(hints).await, Heard::Hint(platform.clone()));
        }
        assert_eq!(ends.here().state(), BusState::Up);
        assert_eq!(ends.here().losses(), Losses::default());
    }
}

#[tokio::test]
async fn who_falls_behind_learns_of_it_and_holds_nobody_up() {
    for ends in Ends::each().await {
        let (mut slow, mut quick) = (ends.there().subscribe(), ends.there().subscribe());
        assert_eq!(next(&mut slow).await, Heard::Gap);
        // In pieces that nobody loses but who does not read.
        for piece in 0..6 {
            for number in 0..500 {
                ends.here().publish(hint(piece * 500 + number));
            }
            heard_until(&mut quick, &hint(piece * 500 + 499)).await;
        }

        assert_eq!(next(&mut slow).await, Heard::Gap);
        let rest = heard_until(&mut slow, &hint(2999)).await;

        assert!(rest.len() < 1500, "{} were kept", rest.len());
        assert!(rest.iter().all(|heard| matches!(heard, Heard::Hint(_))));
    }
}

#[tokio::test]
async fn publishing_is_done_at_once_however_much_it_is() {
    for ends in Ends::each().await {
        let start = Instant::now();
        for number in 0..100_000 {
            ends.here().publish(hint(number));
        }

        // Nothing else could run in between: the test has one thread.
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_subscription_ends_with_its_bus() {
    let bus = bus::LocalBus::new();
    let mut hints = bus::Bus::subscribe(&bus);
    drop(bus);

    assert_eq!(hints.next().await, Some(Heard::Gap));
    assert_eq!(hints.next().await, None);
}
