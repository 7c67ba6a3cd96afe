//! Files that are written anew where they lay: how long they are says nothing of that.

use super::{ALL, Scene};

/// Of one program: longer than what a file is recognised by at its beginning.
const BANNER: &str = "# what this program says when it starts\n";
const BANNER_LINES: usize = 10;

#[test]
fn a_file_written_anew_to_the_length_it_had_is_read_from_its_beginning_also_when_nothing_ran() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "one\ntwo\n");
    scene.look();
    scene.rewrite("app.log", "six\nten\n");
    scene.look();
    scene.look();
    scene.crash();
    scene.rewrite("app.log", "odd\nall\n");
    scene.look();
    scene.write("app.log", "end\n");
    scene.look();
    assert_eq!(scene.messages(), ["one", "two", "six", "ten", "odd", "all", "end"]);
}

#[test]
fn one_that_grew_beyond_where_it_was_read_is_known_though_it_begins_as_it_did() {
    let mut scene = Scene::new("files: '*.log', match: '^[^#]'");
    scene.look();
    let banner = BANNER.repeat(BANNER_LINES);
    scene.write("app.log", &format!("{banner}one\n"));
    scene.look();
    scene.rewrite("app.log", &format!("{banner}two and longer\nthree\n"));
    scene.look();
    scene.crash();
    scene.rewrite("app.log", &format!("{banner}four and longer\nfive and longer as well\n"));
    scene.look();
    let all = ["one", "two and longer", "three", "four and longer", "five and longer as well"];
    assert_eq!(scene.messages(), all);
}

#[test]
fn what_lay_before_the_end_at_which_a_file_was_begun_is_known_too() {
    let mut scene = Scene::new(ALL);
    let banner = BANNER.repeat(BANNER_LINES);
    scene.write("app.log", &format!("{banner}before\n"));
    scene.look();
    scene.rewrite("app.log", &format!("{banner}behind\n"));
    scene.look();
    assert_eq!(scene.messages().last().map(String::as_str), Some("behind"));
    assert_eq!(scene.messages().len(), BANNER_LINES + 1);
}

#[test]
fn the_same_text_again_is_no_other_file_and_a_line_that_goes_on_is_no_rewriting() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "one\nha");
    scene.look();
    scene.rewrite("app.log", "one\nha");
    scene.look();
    scene.write("app.log", "lf\n");
    scene.look();
    assert_eq!(scene.messages(), ["one", "half"]);
}
