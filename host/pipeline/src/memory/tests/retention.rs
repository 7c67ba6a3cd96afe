//! What is kept for its time goes then and not before, and it shows that it was retention that let it go.

use std::fs;

use orion_bus::{Bus, RecordKind, SqliteBus};
use proptest::prelude::*;

use super::super::retention::Keep;
use super::super::scene::{DAY, ROTATE_BYTES, Scene, at_day, lines_of, record};
use super::super::{CLOSED_DIR, file_name, pack_closed, position_of, rebuild};

const FOR_TWO_DAYS: Keep = Keep { millis: Some(2 * DAY), bytes: None };

#[tokio::test]
async fn what_is_older_than_the_limit_goes_and_what_is_as_old_stays() {
    let scene = Scene::of_days(4, 50).await;
    // The first record of day 1 is two days old, and no older.
    let gone = scene.retain(FOR_TWO_DAYS, at_day(3, 0)).await;
    assert_eq!((gone.records, gone.is_more), (50, false));
    assert_eq!(scene.entries().await[0].seq, 51);
    let gone = scene.retain(FOR_TWO_DAYS, at_day(3, 1)).await;
    assert_eq!(gone.records, 1);
    assert_eq!(scene.wrong(), "");
    assert_eq!(scene.audit().forgotten, 51);
}

#[tokio::test]
async fn without_a_limit_nothing_goes() {
    let scene = Scene::of_days(3, 20).await;
    assert!(!Keep::default().is_limited());
    let gone = scene.retain(Keep::default(), at_day(40_000, 0)).await;
    assert_eq!((gone.records, gone.files), (0, 0));
}

#[tokio::test]
async fn what_a_stage_has_yet_to_read_or_memory_to_write_stays() {
    let scene = Scene::of_days(1, 30).await;
    scene.append((30..60).map(|n| record(n, at_day(0, n))).collect()).await;
    // Not read by the Guardian, though written.
    scene.write(at_day(1, 0)).await;
    assert_eq!(scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await.records, 30);
    // Read, and not written.
    scene.append((60..90).map(|n| record(n, at_day(0, n))).collect()).await;
    scene.read_by("guardian").await;
    assert_eq!(scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await.records, 30);
    scene.write(at_day(9, 0)).await;
    assert_eq!(scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await.records, 30);
}

#[tokio::test]
async fn positions_are_not_given_again_when_everything_is_gone() {
    let scene = Scene::of_days(2, 30).await;
    assert_eq!(scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await.records, 60);
    assert_eq!(scene.entries().await, []);
    let Scene { dir, bus, key } = scene;
    bus.close().unwrap();
    let bus = SqliteBus::open(dir.path()).unwrap();
    assert_eq!(*bus.appended().borrow(), 60);
    let scene = Scene { dir, bus, key };
    scene.day(9, 10).await;
    assert_eq!(scene.entries().await[0].seq, 61);
    assert_eq!(scene.wrong(), "");
}

#[tokio::test]
async fn a_size_limit_takes_the_oldest_and_never_the_last_day() {
    let scene = Scene::of_days(4, 600).await;
    let all = scene.bus.used_bytes().await.unwrap();
    let keep = |bytes| Keep { millis: None, bytes: Some(bytes) };
    assert_eq!(scene.retain(keep(all), at_day(4, 0)).await.records, 0);
    let some = scene.retain(keep(all - 1), at_day(4, 0)).await.records;
    assert!((1..2_400).contains(&some), "{some}");
    let mut rest = 0;
    loop {
        let gone = scene.retain(keep(1), at_day(4, 0)).await;
        rest += gone.records;
        if !gone.is_more {
            break;
        }
    }
    assert_eq!(some + rest, 3 * 600);
    assert_eq!(scene.wrong(), "");
}

#[tokio::test]
async fn room_is_given_back_to_the_disk() {
    let scene = Scene::of_days(3, 1_000).await;
    let Scene { dir, bus, key } = scene;
    let size = |dir: &tempfile::TempDir| std::fs::metadata(dir.path().join("orion.db")).unwrap().len();
    bus.close().unwrap();
    let before = size(&dir);
    let scene = Scene { bus: SqliteBus::open(dir.path()).unwrap(), dir, key };
    while scene.retain(FOR_TWO_DAYS, at_day(90, 0)).await.is_more {}
    let Scene { dir, bus, .. } = scene;
    bus.close().unwrap();
    assert!(size(&dir) < before / 4, "{} of {before}", size(&dir));
}

#[tokio::test]
async fn closed_files_go_from_the_beginning_and_the_rest_is_known_to_be_whole() {
    let scene = Scene::of_days(5, 80).await;
    pack_closed(scene.path()).unwrap();
    let closed = || std::fs::read_dir(scene.path().join(CLOSED_DIR)).unwrap().count();
    let before = closed();
    let gone = scene.retain(FOR_TWO_DAYS, at_day(4, 1)).await;
    assert!(gone.files > 0 && closed() == before - usize::try_from(gone.files).unwrap());
    assert_eq!(scene.wrong(), "");
    // Everything that is closed, and records go on.
    scene.retain(FOR_TWO_DAYS, at_day(90, 0)).await;
    assert_eq!(closed(), 0);
    assert_eq!(scene.wrong(), "");
    scene.day(90, 80).await;
    assert_eq!(scene.wrong(), "");
    assert!(scene.audit().kinds.iter().all(|kind| kind.intact && kind.first_seq > 1));
}

#[tokio::test]
async fn a_time_that_was_wrong_does_not_keep_everything_behind_it() {
    let scene = Scene::of_days(1, 10).await;
    scene.append(vec![record(10, at_day(30_000, 0))]).await;
    scene.day(1, 10).await;
    let gone = scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await;
    assert_eq!(gone.records, 21);
    // At the end nothing decides, and it stays.
    scene.append(vec![record(21, at_day(30_000, 0))]).await;
    scene.read_by("guardian").await;
    scene.write(at_day(9, 0)).await;
    assert_eq!(scene.retain(FOR_TWO_DAYS, at_day(9, 0)).await.records, 0);
}

#[tokio::test]
async fn what_the_store_let_go_is_kept_by_a_rebuild_and_the_rest_is_written_anew() {
    for packed in [false, true] {
        let scene = Scene::of_days(4, 60).await;
        let before = RecordKind::ALL.map(|kind| scene.lines(kind));
        if packed {
            pack_closed(scene.path()).unwrap();
        }
        // The files stay: only the store is over its limit.
        let written = scene.projection().await.resume_after();
        let keep = Keep { millis: Some(2 * DAY), bytes: None };
        let names: Vec<_> =
            std::fs::read_dir(scene.path().join(CLOSED_DIR)).unwrap().map(|it| it.unwrap().path()).collect();
        let kept: Vec<_> = names.iter().map(|path| (path, std::fs::read(path).unwrap())).collect();
        super::super::retention::retain(&scene.bus, scene.path(), keep, at_day(3, 30_000), &["guardian"], written)
            .await
            .unwrap();
        for (path, bytes) in kept {
            std::fs::write(path, bytes).unwrap();
        }
        assert!(scene.entries().await[0].seq > 60);
        let mut store = SqliteBus::open_read_only(scene.path()).unwrap();
        let rebuilt = rebuild(scene.path(), &mut store, ROTATE_BYTES, |_| {}).unwrap();
        assert_eq!((rebuilt.position, rebuilt.kept_up_to + rebuilt.written), (240, 240));
        assert_eq!(RecordKind::ALL.map(|kind| scene.lines(kind)), before, "packed: {packed}");
        assert_eq!(scene.wrong(), "");
    }
}

/// What happens to a trail.
#[derive(Clone, Copy, Debug)]
enum Step {
    Day(i64),
    Retain { days: i64 },
    Pack,
    Tear { kind: usize, bytes: usize },
    Rebuild,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..70_i64).prop_map(Step::Day),
        2 => (1..4_i64).prop_map(|days| Step::Retain { days }),
        1 => Just(Step::Pack),
        2 => (0..3_usize, 1..3_000_usize).prop_map(|(kind, bytes)| Step::Tear { kind, bytes }),
        1 => Just(Step::Rebuild),
    ]
}

/// Tears off bytes, as far as the store brings them back: nothing that is synced is lost by a crash, and nothing else goes from
/// the store.
async fn tear(scene: &Scene, kind: RecordKind, bytes: usize) {
    let path = scene.path().join(file_name(kind));
    let Ok(text) = fs::read(&path) else { return };
    fs::write(&path, &text[..text.len().saturating_sub(bytes)]).unwrap();
    let left = lines_of(scene.path(), kind);
    let last_seq = left.last().and_then(|line| position_of(line.as_bytes())).unwrap_or(0);
    if last_seq < scene.begins().await.store.heads.of(kind).last_seq() {
        fs::write(&path, text).unwrap();
    }
}

async fn step(scene: &Scene, step: Step, today: &mut i64) {
    match step {
        Step::Day(records) => {
            *today += 1;
            scene.day(*today, records).await;
        }
        Step::Retain { days } => {
            scene.write(at_day(*today, 7_200_000)).await;
            scene.retain(Keep { millis: Some(days * DAY), bytes: None }, at_day(*today, 40_000_000)).await;
        }
        Step::Pack => pack_closed(scene.path()).unwrap(),
        Step::Tear { kind, bytes } => tear(scene, RecordKind::ALL[kind], bytes).await,
        Step::Rebuild => {
            let mut store = SqliteBus::open_read_only(scene.path()).unwrap();
            rebuild(scene.path(), &mut store, ROTATE_BYTES, |_| {}).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_the_trail_holds_and_is_the_end_of_all_that_there_was(steps in prop::collection::vec(any_step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            // The second is never kept within limits, and nothing happens to it.
            let (scene, whole) = (Scene::empty(), Scene::empty());
            let (mut today, mut days) = (0, 0);
            for next in steps {
                step(&scene, next, &mut today).await;
                if let Step::Day(_) = next {
                    step(&whole, next, &mut days).await;
                }
            }
            scene.write(at_day(today, 80_000_000)).await;
            assert_eq!(scene.wrong(), "");
            for kind in RecordKind::ALL {
                let (left, all) = (lines_of(scene.path(), kind), lines_of(whole.path(), kind));
                assert_eq!(left[..], all[all.len() - left.len()..], "{kind}");
            }
        });
    }
}
