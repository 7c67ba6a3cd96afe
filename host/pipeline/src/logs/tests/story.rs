//! Stories of a log and of the process that reads it, drawn by chance.

use proptest::prelude::*;

use super::{ALL, Scene};

/// What happens to a log.
#[derive(Clone, Debug)]
enum Happens {
    Written(usize),
    Half,
    Rotated,
    /// As many other lines where it lay, each as long.
    Rewritten,
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
        1 => Just(Happens::Rewritten),
        3 => Just(Happens::Looked),
        2 => Just(Happens::Lost),
        1 => Just(Happens::Crashed),
    ]
}

/// All of one length.
fn named(line: usize) -> String {
    format!("line {line:06}")
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
                        scene.write("app.log", &format!("{}\n", named(lines)));
                        lines += 1;
                    }
                }
                Happens::Half => {
                    scene.write("app.log", &named(lines));
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
                Happens::Rewritten if scene.path("app.log").exists() => {
                    scene.look();
                    let count = std::fs::read_to_string(scene.path("app.log")).unwrap().lines().count();
                    let text: String = (lines..lines + count).map(|line| format!("{}\n", named(line))).collect();
                    scene.rewrite("app.log", &text);
                    lines += count;
                }
                Happens::Rotated | Happens::Rewritten => {}
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
        let expected: Vec<String> = (0..lines).map(named).collect();
        prop_assert_eq!(scene.messages(), expected);
    }
}
