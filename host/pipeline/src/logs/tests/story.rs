//! Stories of a log and of the process that reads it, drawn by chance.

use proptest::prelude::*;

use super::{ALL, Scene};

/// What happens to a log.
#[derive(Clone, Debug)]
enum Happens {
    Written(usize),
    Half,
    Rotated,
    Looked,
    /// Read, and gone before it was committed.
    Lost,
    Crashed,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1_usize..5).prop_map(Happens::Written),
        1 => Just(Happens::Half),
        1 => Just(Happens::Rotated),
        3 => Just(Happens::Looked),
        2 => Just(Happens::Lost),
        1 => Just(Happens::Crashed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_is_one_event_whatever_happens_to_the_file_and_to_the_process(story in proptest::collection::vec(happens(), 1..40)) {
        let mut scene = Scene::new(ALL);
        scene.look();
        let (mut lines, mut rotations) = (0, 0);
        for one in story {
            match one {
                Happens::Written(count) => {
                    for _ in 0..count {
                        scene.write("app.log", &format!("line {lines}\n"));
                        lines += 1;
                    }
                }
                Happens::Half => {
                    scene.write("app.log", &format!("line {lines}"));
                    scene.look();
                    scene.write("app.log", "\n");
                    lines += 1;
                }
                Happens::Rotated if scene.path("app.log").exists() => {
                    // As logrotate does, seldom enough for everybody who looks.
                    scene.look();
                    scene.rename("app.log", &format!("app.log.{rotations}"));
                    rotations += 1;
                    scene.look();
                }
                Happens::Rotated => {}
                Happens::Looked => scene.look(),
                Happens::Lost => {
                    scene.now += 1_000;
                    scene.step(false);
                    scene.crash();
                }
                Happens::Crashed => scene.crash(),
            }
        }
        scene.look();
        let expected: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
        prop_assert_eq!(scene.messages(), expected);
    }
}
