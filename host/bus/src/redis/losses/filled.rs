//! What a server loses while a host fills it, which takes many commands.

use orion_lab::{Fsync, RedisOptions, RedisServer as Server};

use super::scene::Scene;
use crate::redis::core::Trouble;
use crate::redis::filling::{Claim, Filling};
use crate::redis::greeting::Hello;

/// What happens when a host has brought a part.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    Emptied,
    EmptiedAndFilledByAnother,
    StartedAgain,
}

/// Two hosts whose files hold two events, and an empty server.
async fn scene() -> Scene {
    let server = Server::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let mut scene = Scene::on(server, &["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.follow_all().await;
    scene.empty();
    scene
}

async fn fill_and_meanwhile(scene: &mut Scene, meanwhile: Meanwhile) -> Result<(), Trouble> {
    let core = scene.hosts[0].core.clone();
    let mut greeted = core.greeted.lock().await;
    let Hello::Empty(offer) = core.hello().await.unwrap() else { panic!("it is not empty") };
    let Claim::Ours(filling) = Filling::claim(&core, &offer).await? else { panic!("somebody else has it") };
    let last_words = core.fill(&mut greeted, offer, &filling).await?;
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Emptied => scene.empty(),
        Meanwhile::EmptiedAndFilledByAnother => {
            scene.empty();
            scene.hosts[1].meet().await;
        }
        Meanwhile::StartedAgain => {
            scene.server.kill();
            scene.server.restart().unwrap();
            // The connection is noticed to be gone by whoever uses it first.
            let _ = core.hello().await;
        }
    }
    filling.write("HSET", std::slice::from_ref(&core.keys.owners), ("late", 1)).await?;
    filling.finish(&last_words).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filling_stands_where_nothing_came_between() {
    let mut scene = scene().await;
    fill_and_meanwhile(&mut scene, Meanwhile::Nothing).await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filling_of_which_a_part_was_lost_does_not_stand_and_is_done_again() {
    for meanwhile in [Meanwhile::Emptied, Meanwhile::EmptiedAndFilledByAnother, Meanwhile::StartedAgain] {
        let mut scene = scene().await;
        let told = fill_and_meanwhile(&mut scene, meanwhile).await.unwrap_err();
        assert!(matches!(&told, Trouble::Away(why) if why.contains("before that was all")), "{meanwhile:?}: {told:?}");
        assert_eq!(scene.server.command(&["HEXISTS", "{orion}:owners", "late"]).unwrap().trim(), "0", "{meanwhile:?}");
        scene.check().await;
        assert_eq!(scene.hosts[0].core.load("a").await.unwrap().offset, Some(1), "{meanwhile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_is_for_one_host_and_for_an_empty_server() {
    let scene = scene().await;
    let [one, two] = [&scene.hosts[0].core, &scene.hosts[1].core];
    let Hello::Empty(offer) = one.hello().await.unwrap() else { panic!("it is not empty") };
    let Claim::Ours(first) = Filling::claim(one, &offer).await.unwrap() else { panic!("not ours") };
    assert!(matches!(Filling::claim(two, &offer).await.unwrap(), Claim::Held));
    // The host was killed, and its next process comes; what the first one still has to say does not count.
    let Hello::Empty(offer) = one.hello().await.unwrap() else { panic!("it is not empty") };
    let Claim::Ours(second) = Filling::claim(one, &offer).await.unwrap() else { panic!("not ours") };
    assert!(matches!(first.finish(&[]).await, Err(Trouble::Away(_))));
    second.give_up().await;
    assert!(matches!(Filling::claim(two, &offer).await.unwrap(), Claim::Ours(_)));
    scene.hosts[1].greet_anew().await.unwrap();
    assert!(matches!(Filling::claim(one, &offer).await.unwrap(), Claim::Known));
}

/// Two hosts that know of each other, of which the second is away from here on, while the first goes on; up to where the second one's file
/// holds the log.
async fn one_is_away() -> (Scene, u64) {
    let server = Server::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let mut scene = Scene::on(server, &["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.follow_all().await;
    for host in scene.hosts.iter().rev() {
        assert_eq!(host.core.trim().await.unwrap(), None);
    }
    let away_at = scene.hosts[1].core.mirrored();
    scene.observe(0).await;
    scene.hosts[0].follow().await;
    (scene, away_at)
}

/// The first host goes on, lets go of what may be let go of, and in the end nothing is missing anywhere.
async fn nothing_is_let_go_of(mut scene: Scene, away_at: u64) {
    scene.hosts[0].meet().await;
    scene.observe(0).await;
    scene.hosts[0].follow().await;
    scene.hosts[0].core.trim().await.unwrap();
    assert!(trimmed(&scene) <= away_at, "{} and {away_at}", trimmed(&scene));
    scene.check().await;
}

/// Up to where the log was let go of; nothing was where the server does not say.
fn trimmed(scene: &Scene) -> u64 {
    let told = scene.server.command(&["HGET", "{orion}:meta", "trimmed"]).unwrap();
    told.trim().parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_kept_for_a_host_that_was_away_when_another_one_filled_the_server() {
    let (scene, away_at) = one_is_away().await;
    scene.empty();
    nothing_is_let_go_of(scene, away_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_kept_for_it_also_by_one_that_was_started_again_meanwhile() {
    let (mut scene, away_at) = one_is_away().await;
    scene.hosts[0].restart().await;
    scene.empty();
    nothing_is_let_go_of(scene, away_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_kept_for_it_also_where_the_server_is_from_before_it_came() {
    let (mut scene, away_at) = one_is_away().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.hosts[0].follow().await;
    scene.server.command(&["HDEL", "{orion}:mirrors", "two"]).unwrap();
    nothing_is_let_go_of(scene, away_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_kept_for_a_host_that_follows_it_again_from_before() {
    // The first host fills the server, which the second one does not see, and goes on. Then the second one fills it.
    let (mut scene, _) = one_is_away().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.observe(0).await;
    scene.hosts[0].follow().await;
    let followed_to = scene.hosts[0].core.mirrored();
    scene.empty();
    scene.hosts[1].meet().await;
    scene.hosts[0].meet().await;
    let again_from = scene.hosts[0].core.mirrored();
    assert!(again_from < followed_to, "{again_from} and {followed_to}");
    for host in scene.hosts.iter().rev() {
        host.core.trim().await.unwrap();
    }
    assert!(trimmed(&scene) <= again_from, "{} and {again_from}", trimmed(&scene));
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_said_at_positions_that_a_host_takes_for_passed_comes_to_its_file() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    // The second host says something that the first one has not read when all is lost. That one fills the server, and goes on far behind it.
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    let said = scene.hosts[1].core.mirrored();
    assert!(scene.hosts[0].core.mirrored() < said);
    scene.empty();
    scene.hosts[0].meet().await;
    scene.share();
    scene.observe(0).await;
    scene.hosts[0].follow().await;
    assert!(said < scene.hosts[0].core.mirrored());
    // It is lost again, and the second host, which has seen nothing of it, fills the server.
    scene.empty();
    scene.hosts[1].meet().await;
    scene.share();
    // It is not started again, and goes on with the connection that it has.
    scene.hosts[0].meet().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_waited_for_from_its_first_word_on() {
    let scene = scene().await;
    for host in &scene.hosts {
        host.meet().await;
        let known = scene.server.command(&["HGET", "{orion}:mirrors", host.name]).unwrap();
        let position = known.split(' ').next().unwrap().parse::<u64>();
        assert!(position.is_ok_and(|position| position <= host.core.mirrored()), "{known}");
    }
    assert_eq!(scene.hosts[1].core.others().len(), 1);
}
