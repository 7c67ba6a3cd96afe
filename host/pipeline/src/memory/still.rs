//! Looking at an audit trail while a host keeps it: what its retention and its packing take away in the middle of a look is looked at again,
//! and is no finding.

use std::path::Path;
use std::time::Duration;

use orion_bus::{Reader, RecordKind};

use super::begins::{Begins, MEMORY_OWNER};
use super::closed::{ClosedFile, closed_files};
use super::{Audit, TrailError};

/// How often is looked at a trail that loses something during each look. Then what was found last is told: a host whose limit is
/// a size and that never comes to rest must not keep anybody waiting for ever.
const MAX_LOOKS: u32 = 10;

/// The wait after the first look; after each further one it is that much longer. Retention takes some milliseconds for a file.
const WAIT_MILLIS: u64 = 100;

/// What a host takes away.
struct Kept {
    begins: Begins,
    closed: Vec<ClosedFile>,
}

impl Kept {
    fn read(memory_dir: &Path, store: &mut Reader) -> Result<Self, TrailError> {
        let begins = Begins::of(&store.load(MEMORY_OWNER)?)?;
        let mut closed = Vec::new();
        for kind in RecordKind::ALL {
            closed.extend(closed_files(memory_dir, kind)?);
        }
        Ok(Self { begins, closed })
    }

    /// Whether nothing went since. A file goes after the store was told that it would, so the store alone does not tell; and a file that
    /// was packed has another name. What was added disturbs nobody.
    fn is_all_in(&self, now: &Self) -> bool {
        self.begins == now.begins && self.closed.iter().all(|file| now.closed.contains(file))
    }
}

/// Looks until everything holds, or until what does not is no matter of the moment.
pub(super) fn look_until_still(
    memory_dir: &Path,
    store: &mut Reader,
    mut look: impl FnMut(&mut Reader, &Begins) -> Result<Audit, TrailError>,
) -> Result<Audit, TrailError> {
    let mut looks = 0;
    loop {
        let before = Kept::read(memory_dir, store)?;
        let found = look(store, &before.begins);
        looks += 1;
        let holds = found.as_ref().is_ok_and(|found| found.holds);
        if holds || looks >= MAX_LOOKS || before.is_all_in(&Kept::read(memory_dir, store)?) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(WAIT_MILLIS * u64::from(looks)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use orion_bus::SqliteBus;

    use super::super::retention::Keep;
    use super::super::scene::{DAY, Scene, at_day};
    use super::super::{TrailLines, audit, pack_closed};
    use super::*;

    /// How often is looked when the first look does this with an old event file, and what is found.
    fn looks(scene: &Scene, first: impl Fn(&Path)) -> (u32, Result<Audit, TrailError>) {
        let mut store = SqliteBus::open_read_only(scene.path()).unwrap();
        let mut looks = 0;
        let found = look_until_still(scene.path(), &mut store, |store, _| {
            looks += 1;
            if looks > 1 {
                return audit(scene.path(), store, false, None);
            }
            let oldest = closed_files(scene.path(), RecordKind::Event)?.remove(0).path;
            let mut trail = TrailLines::open(scene.path(), RecordKind::Event)?;
            first(&oldest);
            while trail.next_line()?.is_some() {}
            audit(scene.path(), store, false, None)
        });
        (looks, found)
    }

    #[tokio::test]
    async fn a_file_that_retention_takes_away_while_it_is_looked_at_is_no_finding() {
        let scene = Scene::of_days(5, 80).await;
        let oldest = closed_files(scene.path(), RecordKind::Event).unwrap().remove(0).path;
        let kept = fs::read(&oldest).unwrap();
        let gone = scene.retain(Keep { millis: Some(2 * DAY), bytes: None }, at_day(3, 1)).await;
        assert!(gone.files > 0 && !oldest.exists());
        // The store knows that it goes, and it is there still.
        let last_gone = oldest;
        fs::write(&last_gone, kept).unwrap();
        let (looks, found) = looks(&scene, |oldest| fs::remove_file(oldest).unwrap());
        assert_eq!((looks, found.unwrap().findings), (2, Vec::new()));
    }

    #[tokio::test]
    async fn a_file_that_is_packed_while_it_is_looked_at_is_no_finding() {
        let scene = Scene::of_days(3, 80).await;
        let (looks, found) = looks(&scene, |_| pack_closed(scene.path()).unwrap());
        assert_eq!((looks, found.unwrap().findings), (1, Vec::new()));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_trail_that_stands_still_is_told_at_once() {
        let scene = Scene::of_days(3, 80).await;
        let oldest = closed_files(scene.path(), RecordKind::Event).unwrap().remove(0).path;
        fs::write(&oldest, "{}\n").unwrap();
        let (looks, found) = looks(&scene, |_| ());
        assert_eq!((looks, found.unwrap().holds), (1, false));
    }
}
