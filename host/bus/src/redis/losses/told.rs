//! Losses in an order that is written down, each because it once came out wrong.

use std::time::Duration;

use super::host::event_of;
use super::scene::Scene;
use crate::conformance::commit;
use crate::redis::core::Trouble;
use crate::redis::follower::take_over;
use crate::redis::greeting::LEFT_OUT_POSITIONS;
use crate::{Bus as _, StateChange};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_back_is_unread_for_who_has_not_read_it_also_at_the_next_empty_server() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.read(9).await;
    scene.follow_all().await;
    // The first host fills the server, and does not know this one.
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.observe(0).await;
    // The second one gives it back, behind what the first one has committed since; the stage reads up to there, and no further.
    scene.hosts[1].core.forget_greeting().await;
    assert_eq!(scene.read(1).await, 1);
    scene.follow_all().await;
    scene.empty();
    scene.hosts[1].core.forget_greeting().await;
    scene.hosts[1].core.greet().await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_knew_less_than_the_one_that_filled_the_server_knows_all_owners_afterwards() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.read(9).await;
    scene.hosts[0].follow().await;
    // Here the second host's file lacks the stage's last step, which nobody commits again.
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.follow_all().await;
    scene.empty();
    scene.hosts[1].core.forget_greeting().await;
    scene.hosts[1].core.greet().await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_file_held_is_given_back_as_often_as_it_is_lost() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    for _ in 0..3 {
        scene.empty();
        scene.hosts[0].wait_no_longer().await;
        scene.hosts[0].core.forget_greeting().await;
        scene.hosts[0].core.greet().await.unwrap();
        scene.share();
        scene.observe(0).await;
        // It takes over what comes before its own commit, and not that.
        scene.hosts[1].core.forget_greeting().await;
        scene.hosts[1].core.greet().await.unwrap();
        scene.observe(1).await;
    }
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_not_read_again_though_another_host_gives_it_back() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.read(9).await;
    // The second host has committed one and read both; its own file would give them back.
    scene.hosts[0].follow().await;
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_slept_through_one_loss_gives_back_after_the_next_what_it_held() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    for _ in 0..2 {
        scene.empty();
        scene.hosts[0].core.forget_greeting().await;
        scene.hosts[0].core.greet().await.unwrap();
        scene.share();
        scene.observe(0).await;
        scene.hosts[0].follow().await;
    }
    scene.hosts[1].restart().await;
    scene.share();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_to_the_file_is_given_back() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    let under_way = scene.hosts[1].follower.next().await.unwrap();
    assert_eq!(under_way.len(), 1);
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    let two = scene.hosts[1].core.clone();
    two.forget_greeting().await;
    let greeting = tokio::spawn({
        let two = two.clone();
        async move { two.greet().await }
    });
    // It has all the time it may need to look at its file too early.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!greeting.is_finished(), "it waits for its own file");
    take_over(&two, under_way, 1).await.unwrap();
    greeting.await.unwrap().unwrap();
    let known = scene.server.command(&["SCARD", "{orion}:ids"]).unwrap();
    assert_eq!(known, "2", "the record of each host");
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosts_own_owners_come_back_though_another_one_fills_the_server() {
    let mut scene = Scene::new(&["one", "two"]).await;
    let mut own = commit("own", None, 7, [event_of(3, 1)]);
    own.state = vec![StateChange::Put { key: b"k".to_vec(), value: b"v".to_vec() }];
    scene.hosts[1].core.commit(own).await.unwrap();
    scene.follow_all().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.hosts[1].core.forget_greeting().await;
    let loaded = scene.hosts[1].core.load("own").await.unwrap();
    assert_eq!((loaded.offset, loaded.state), (Some(7), vec![(b"k".to_vec(), b"v".to_vec())]));
}

/// Its record is in the other one's file, and what it knew of having said it has to be there, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_died_has_its_own_owners_back_from_the_file_of_another_one() {
    let mut scene = Scene::new(&["one", "two"]).await;
    let mut own = commit("own", None, 7, [event_of(3, 1)]);
    own.state = vec![StateChange::Put { key: b"k".to_vec(), value: b"v".to_vec() }];
    scene.hosts[1].core.commit(own).await.unwrap();
    scene.hosts[0].follow().await;
    // Killed before its file held what it did.
    scene.hosts[1].restart().await;
    scene.empty();
    scene.hosts[0].meet().await;
    let loaded = scene.hosts[1].core.load("own").await.unwrap();
    assert_eq!((loaded.offset, loaded.state), (Some(7), vec![(b"k".to_vec(), b"v".to_vec())]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_from_what_another_host_has_yet_to_give_back_does_not_come_before_it() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    // The work goes from one to the other, and no file holds what either of them did.
    scene.observe(0).await;
    scene.hosts.swap(0, 1);
    scene.share();
    scene.observe(0).await;
    scene.empty();
    scene.share();
    // Who had it last fills the server, from a file that holds neither.
    scene.hosts[0].core.forget_greeting().await;
    scene.hosts[0].core.greet().await.unwrap();
    assert_eq!(scene.hosts[0].core.journal().held_back().len(), 1);
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_knows_of_owners_what_goes_with_the_records_that_it_holds() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    // Nobody's file holds it. The second host fills the server and the first one gives it back, and takes over whose step it was.
    scene.empty();
    scene.hosts[1].meet().await;
    scene.hosts[0].meet().await;
    scene.share();
    // Killed before its file holds the event; then the server has it no more either. The group has not said it.
    scene.hosts[0].restart().await;
    scene.empty();
    scene.share();
    scene.hosts[0].meet().await;
    assert_eq!(scene.hosts[0].core.load("a").await.unwrap().offset, None);
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_killed_while_it_filled_a_server_fills_it_at_once_and_another_one_waits() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.empty();
    scene.server.command(&["SET", "{orion}:founding", "one 0123abcd//1.5", "PX", "60000"]).unwrap();
    scene.hosts[1].greet_anew().await.unwrap_err();
    scene.hosts[0].restart().await;
    scene.hosts[0].greet_anew().await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_another_host_did_not_know_when_it_filled_the_server_does_not_begin_anew() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    // The first host never hears of this owner.
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    scene.empty();
    scene.hosts[0].core.forget_greeting().await;
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    // The connection of the second one did not break, so nothing has told it of the loss.
    assert!(scene.hosts[1].core.load("b").await.unwrap().offset.is_some());
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_are_taken_over_from_what_was_greeted_or_not_at_all() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.follow_all().await;
    let greeted = scene.hosts[1].core.met();
    scene.hosts[1].core.copy_owners(&greeted).await.unwrap();
    scene.empty();
    assert!(matches!(scene.hosts[1].core.copy_owners(&greeted).await, Err(Trouble::Away(_))));
    scene.hosts[0].core.forget_greeting().await;
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    assert!(matches!(scene.hosts[1].core.copy_owners(&greeted).await, Err(Trouble::Away(_))));
    scene.hosts[1].core.forget_greeting().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_that_broke_off_is_not_over_because_the_log_goes_on_and_one_that_is_done_is_not_done_again() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.follow_all().await;
    let host = &scene.hosts[1];
    let owners = || async { host.file.owners("").await.unwrap().len() };
    let before = owners().await;
    {
        // The answers stayed away before the first owner was there.
        let mut greeted = host.core.greeted.lock().await;
        greeted.takes_over(host.core.mirrored(), host.core.seen(), true);
        host.core.keep(&mut greeted).await.unwrap();
    }
    host.core.has_mirrored(host.core.seen() + 10 * LEFT_OUT_POSITIONS);
    host.core.settle_when_whole().await.unwrap();
    assert_eq!(owners().await, before);
    // Of a takeover that was done a crash left nothing but that it was to be done.
    host.core.greeted.lock().await.is_torn(host.core.mirrored(), host.core.mirrored(), true);
    host.core.settle_when_whole().await.unwrap();
    assert_eq!(owners().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_killed_in_the_middle_of_a_takeover_does_it_when_it_is_back() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.follow_all().await;
    {
        let core = scene.hosts[1].core.clone();
        let mut greeted = core.greeted.lock().await;
        greeted.takes_over(core.mirrored(), core.seen(), true);
        core.keep(&mut greeted).await.unwrap();
    }
    scene.hosts[1].restart().await;
    scene.share();
    scene.observe(0).await;
    scene.observe(1).await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_twice_over_is_given_back_in_its_order() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(1).await;
    scene.follow_all().await;
    scene.observe(1).await;
    scene.server.command(&["SAVE"]).unwrap();
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    // The second host hears of neither loss: the third event is gone, and then the second one, which the first host never had.
    scene.server.kill();
    scene.server.restart().unwrap();
    scene.hosts[0].meet().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.share();
    scene.hosts[1].meet().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_which_the_last_server_knew_nothing_is_known_to_the_next() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    // The first host fills the server with nothing, while the second one is away.
    scene.empty();
    scene.hosts[0].greet_anew().await.unwrap();
    scene.share();
    scene.observe(0).await;
    scene.hosts[0].follow().await;
    // The second one fills the next, of which the first one has not taken over anything yet when that is empty, too.
    scene.empty();
    scene.hosts[1].greet_anew().await.unwrap();
    scene.hosts[0].meet().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.share();
    scene.hosts[1].meet().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_elsewhere_stands_where_it_was_in_a_server_that_came_back_as_of_before() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(1).await;
    scene.read(9).await;
    scene.hosts[1].follow().await;
    scene.server.command(&["SAVE"]).unwrap();
    // The first host fills the server with nothing, and the second one gives its event back, at another position.
    scene.empty();
    scene.hosts[0].greet_anew().await.unwrap();
    scene.share();
    scene.hosts[1].meet().await;
    scene.hosts[1].follow().await;
    // There it stands where it was, and the stage has read up to there.
    scene.server.kill();
    scene.server.restart().unwrap();
    scene.hosts[1].meet().await;
    scene.share();
    scene.hosts[1].follow().await;
    scene.empty();
    scene.hosts[1].meet().await;
    scene.share();
    scene.check().await;
}
