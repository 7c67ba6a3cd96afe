//! The .deb: what is in it, and how it is made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::program::{Failure, program, root};
use crate::{released, target};

/// Rule files that the binary holds anyway are not among these.
const RULES: [&str; 4] = ["host.yaml", "media-stack.yaml", "monitoring.yaml", "unusual.yaml"];

/// Where shells look for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/orion"),
    ("zsh", "usr/share/zsh/vendor-completions/_orion"),
    ("fish", "usr/share/fish/vendor_completions.d/orion.fish"),
];

/// How hard it is packed.
#[derive(Clone, Copy)]
pub enum Packed {
    /// To be small.
    Well,
    /// To be tried once: a binary with all its symbols takes minutes otherwise.
    Quickly,
}

impl Packed {
    /// For `dpkg-deb`.
    const fn level(self) -> &'static str {
        match self {
            Self::Well => "-z3",
            Self::Quickly => "-z0",
        }
    }
}

/// Builds the released binary and the package around it.
pub fn run() -> Result<(), Failure> {
    let package = build(&released::build()?, Packed::Well)?;
    eprintln!("{}", package.display());
    Ok(())
}

/// Makes the package around a binary.
pub fn build(orion: &Path, packed: Packed) -> Result<PathBuf, Failure> {
    let tree = Tree::new(target::folder()?.join("deb"))?;
    tree.put("usr/bin/orion", &read(orion)?, 0o755)?;
    tree.put("lib/systemd/system/orion.service", &of_repository("deploy/systemd/orion.service")?, 0o644)?;
    tree.put("etc/orion/orion.yaml", &of_repository("deploy/systemd/orion.yaml")?, 0o644)?;
    let mut settings = vec!["/etc/orion/orion.yaml".to_owned()];
    for name in RULES {
        tree.put(&format!("etc/orion/rules/{name}"), &of_repository(&format!("rules/{name}"))?, 0o644)?;
        settings.push(format!("/etc/orion/rules/{name}"));
    }
    for (shell, path) in COMPLETIONS {
        let script = program(orion).args(["completions", shell]).output()?;
        tree.put(path, script.as_bytes(), 0o644)?;
    }
    tree.put("usr/share/doc/orion/copyright", &of_repository("LICENSE")?, 0o644)?;
    tree.put("usr/share/doc/orion/operating.md", &of_repository("docs/operating.md")?, 0o644)?;
    // What people edit is asked about at an upgrade, and not written over.
    tree.put("DEBIAN/conffiles", (settings.join("\n") + "\n").as_bytes(), 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.put(&format!("DEBIAN/{script}"), &of_repository(&format!("deploy/deb/{script}"))?, 0o755)?;
    }
    let architecture = program("dpkg").args(["--print-architecture"]).output()?;
    let control = String::from_utf8_lossy(&of_repository("deploy/deb/control")?)
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@ARCHITECTURE@", architecture.trim());
    tree.put("DEBIAN/control", control.as_bytes(), 0o644)?;
    let file = target::folder()?.join(format!("orion_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim()));
    let build = ["--root-owner-group", "-Zxz", packed.level(), "--build"];
    program("dpkg-deb").args(build).args([&tree.root, &file]).run()?;
    Ok(file)
}

/// What becomes a package.
struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty one: a file of another time would be packed as well.
    fn new(root: PathBuf) -> Result<Self, Failure> {
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| Failure::NotWritten(root.display().to_string(), error))?;
        }
        Ok(Self { root })
    }

    /// Whatever the umask of whoever builds it says.
    fn put(&self, path: &str, content: &[u8], mode: u32) -> Result<(), Failure> {
        let file = self.root.join(path);
        let written = || {
            for folder in Path::new(path).ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
                fs::create_dir_all(self.root.join(folder))?;
                fs::set_permissions(self.root.join(folder), fs::Permissions::from_mode(0o755))?;
            }
            fs::write(&file, content)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))
        };
        written().map_err(|error| Failure::NotWritten(file.display().to_string(), error))
    }
}

fn of_repository(path: &str) -> Result<Vec<u8>, Failure> {
    read(&root().join(path))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::NotRead(path.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_file_that_ships_is_in_the_package_but_the_one_of_the_binary() {
        let names = fs::read_dir(root().join("rules")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".yaml") && name != "orion.yaml");
        names.sort();
        assert_eq!(names, RULES);
    }
}
