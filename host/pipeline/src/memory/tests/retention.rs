//! What is kept for its time goes then and not before, and it shows that it was retention that let it go.

use orion_bus::{Bus, RecordKind, SqliteBus};

use super::super::retention::Keep;
use super::super::scene::{DAY, Scene, at_day, record};
use super::super::{CLOSED_DIR, pack_closed, rebuild};

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
        let rebuilt = rebuild(scene.path(), &mut store, super::super::scene::ROTATE_BYTES, |_| {}).unwrap();
        assert_eq!((rebuilt.position, rebuilt.kept_up_to + rebuilt.written), (240, 240));
        assert_eq!(RecordKind::ALL.map(|kind| scene.lines(kind)), before, "packed: {packed}");
        assert_eq!(scene.wrong(), "");
    }
}
