//! Which paths must be readable so that one of them stays readable when it is replaced.
//!
//! Landlock's rules are about the very folder that was there when they were made, not about its name. A folder that is
//! renamed into the place of another, or that a link points to from now on, is a different one. So the folder *around* it is
//! what a rule is made for: around the link, around what it points to, around the folder itself. Unless that would be
//! half of the machine: then only the folder itself can be read, and a replacement is seen after the next start.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// More links than this on the way to a file are refused by the kernel as well.
const MAX_LINKS: usize = 40;

/// The paths to make rules for.
pub(crate) fn that_keep_readable(path: &Path) -> BTreeSet<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut paths: BTreeSet<PathBuf> = folders_around(&absolute);
    paths.retain(|dir| !is_too_much(dir, home.as_deref()));
    paths.insert(absolute.canonicalize().unwrap_or(absolute));
    paths
}

/// The folders in which something would be replaced: of each link on the way, and of what is at its end.
fn folders_around(path: &Path) -> BTreeSet<PathBuf> {
    let mut around = BTreeSet::new();
    let (mut at, mut links) = (path.to_owned(), 0);
    while let Some((holder, target)) = first_link(&at).filter(|_| links < MAX_LINKS) {
        around.extend(holder.canonicalize());
        (at, links) = (target, links + 1);
    }
    around.extend(at.parent().and_then(|parent| parent.canonicalize().ok()));
    around
}

/// The first link on the way: the folder it lies in, and the path with what it points to in its place.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut walked = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        if component == Component::ParentDir {
            walked.pop();
            continue;
        }
        let holder = walked.clone();
        walked.push(component);
        if let Ok(target) = std::fs::read_link(&walked) {
            let rest = components.as_path();
            return Some((holder.clone(), holder.join(target).join(rest)));
        }
    }
    None
}

/// A folder at the top (`/`, `/etc`, `/home`), or one that a home lies in.
fn is_too_much(dir: &Path, home: Option<&Path>) -> bool {
    let at_the_top = dir.components().filter(|component| matches!(component, Component::Normal(_))).count() <= 1;
    at_the_top || home.is_some_and(|home| home.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn kept(path: &Path) -> Vec<PathBuf> {
        that_keep_readable(path).into_iter().collect()
    }

    #[test]
    fn a_folder_is_read_through_the_one_around_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("rules")).unwrap();
        assert_eq!(kept(&root.join("rules")), [root.clone(), root.join("rules")]);
        // One that is not there yet as well.
        assert_eq!(kept(&root.join("plugins")), [root.clone(), root.join("plugins")]);
    }

    #[test]
    fn every_link_on_the_way_may_point_elsewhere_tomorrow() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (app, releases) = (root.join("app"), root.join("store/releases"));
        std::fs::create_dir_all(releases.join("42/rules")).unwrap();
        std::fs::create_dir(&app).unwrap();
        symlink("../store/releases/42", app.join("current")).unwrap();
        let want = [app.clone(), releases.join("42"), releases.join("42/rules")];
        assert_eq!(kept(&app.join("current/rules")), want);
        // The link at the end, as for a release of its own.
        symlink(releases.join("42/rules"), app.join("rules")).unwrap();
        assert_eq!(kept(&app.join("rules")), want);
    }

    #[test]
    fn links_in_a_circle_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert!(kept(&root.path().join("a")).len() <= 2);
    }

    #[test]
    fn what_would_be_half_of_the_machine_is_left_out() {
        let home = Path::new("/home/ada");
        for dir in ["/", "/etc", "/home", "/home/ada"] {
            assert!(is_too_much(Path::new(dir), Some(home)), "{dir}");
        }
        for dir in ["/etc/orion", "/home/ada/orion", "/home/bob"] {
            assert!(!is_too_much(Path::new(dir), Some(home)), "{dir}");
        }
        assert_eq!(kept(Path::new("/no-such-folder")), [Path::new("/no-such-folder")]);
    }
}
