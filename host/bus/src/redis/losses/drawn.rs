//! Losses, deaths and steps in an order that is drawn from a seed.

use super::scene::Scene;

/// The first seed of the schedules that are drawn, and how many there are.
const SEED: &str = "ORION_LOSSES_SEED";
const DEFAULT_SEED: u64 = 1;
const COUNT: &str = "ORION_LOSSES_COUNT";
const DEFAULT_COUNT: u64 = 10;

/// What happens in a schedule.
const STEPS: usize = 150;

/// Draws what happens next.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }
}

async fn any_schedule(seed: u64) {
    let mut draw = Draw(seed);
    let mut scene = Scene::new(&["one", "two", "three"]).await;
    scene.told.push(format!("again with {SEED}={seed} {COUNT}=1"));
    // A host that is out does nothing.
    let mut is_out = [false; 3];
    let mut is_down = false;
    for _ in 0..STEPS {
        let host = draw.below(3);
        let what = draw.below(100);
        let mut tell = |what: String| scene.told.push(what);
        match what {
            0..30 if !is_out[what % 2] => {
                tell(format!("{} observes", what % 2));
                scene.observe(what % 2).await;
            }
            30..45 if !is_out[1] => {
                let most = 1 + draw.below(4);
                tell(format!("1 reads {most}"));
                scene.read(most).await;
            }
            45..70 if !is_out[host] => {
                tell(format!("{host} follows"));
                scene.hosts[host].follow_once().await;
            }
            70..78 if !is_out[host] => {
                tell(format!("{host} greets"));
                scene.hosts[host].core.forget_greeting().await;
                let _ = scene.hosts[host].core.greet().await;
            }
            78 if !is_out[host] => {
                tell(format!("{host} hands over"));
                let _ = scene.hosts[host].core.hand_over().await;
            }
            79..82 if !is_down && !is_out[0] && !is_out[1] => {
                tell("0 and 1 swap".to_owned());
                scene.hosts.swap(0, 1);
                scene.share();
            }
            82..85 => {
                tell(format!("{host} is killed and started"));
                scene.hosts[host].restart().await;
            }
            85..89 => {
                is_out[host] = !is_out[host];
                tell(format!("{host} {}", if is_out[host] { "is out" } else { "is back" }));
            }
            89..92 if !is_down => {
                tell("emptied".to_owned());
                scene.empty();
                scene.share();
                match draw.below(4) {
                    // Nobody whose file is whole is there for long enough.
                    0 => scene.hosts[host].wait_no_longer().await,
                    _ => scene.follow_all().await,
                }
            }
            92..94 if !is_down => {
                tell("saved".to_owned());
                scene.server.command(&["SAVE"]).unwrap();
            }
            94..96 if !is_down => {
                tell("killed".to_owned());
                scene.server.kill();
                is_down = true;
            }
            96..100 if is_down => {
                tell("started".to_owned());
                scene.server.restart().unwrap();
                is_down = false;
                scene.share();
            }
            _ => {}
        }
    }
    scene.server.restart().unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_any_order_of_losses_deaths_and_steps_every_event_is_read_once_and_is_in_every_file() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, count) = (number(SEED).unwrap_or(DEFAULT_SEED), number(COUNT).unwrap_or(DEFAULT_COUNT));
    for seed in first..first + count {
        any_schedule(seed).await;
    }
}
